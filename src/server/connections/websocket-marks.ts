import type { Socket } from "node:net";

const websockets = new WeakSet<Socket>();

/** Marks a connection that becomes a websocket, on whichever server. */
export function markWebsocket(socket: Socket): void {
  websockets.add(socket);
}

/** Whether a connection has become a websocket. */
export function isWebsocket(socket: Socket): boolean {
  return websockets.has(socket);
}
