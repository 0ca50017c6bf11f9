import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { test } from "node:test";
import { Departure } from "../../../../src/controller/gateway/departure.ts";
import { RequestProxy } from "../../../../src/controller/gateway/request-proxy.ts";

/** A request whose caller has left before anybody looked at it. */
async function abandoned(head: string): Promise<{ request: IncomingMessage; response: ServerResponse }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const arrived = once(server, "request") as Promise<[IncomingMessage, ServerResponse]>;
  socket.write(head);
  const [request, response] = await arrived;
  const left = once(response, "close");
  socket.destroy();
  await left;
  server.close();
  return { request, response };
}

test("a caller that has left before its key was looked up is known to have left", async () => {
  const { response } = await abandoned("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  const departure = new Departure(response);
  assert.equal(departure.reason?.type, "client_disconnected");
  assert.ok(departure.signal.aborted);
});

for (const [what, body] of [
  ["half of its body", "12345"],
  ["its whole body", "1234567890"],
] as const) {
  test(`a caller that has left after ${what} ends its request`, async () => {
    const { request } = await abandoned(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n${body}`);
    await assert.rejects(new RequestProxy().bodyOf(request), { type: "client_disconnected" });
  });
}
