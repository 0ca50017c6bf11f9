/**
 * `servable/testing`: serve a class in the test's own process, and move time by hand.
 * @module
 */
export { FakeClock } from "./fake-clock.ts";
export { connectTestSocket, type ControlMessage, type SocketClose, type TestSocket } from "./test-socket.ts";
export { startTestServer, type TestRequestOptions, type TestServer } from "./test-server.ts";
