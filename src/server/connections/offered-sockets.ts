import { type IncomingMessage, type RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** A connection whose client offers a websocket, and what was already read of it after the head of the request. */
export interface OfferedSocket {
  readonly socket: Socket;
  readonly head: Buffer;
}

const offered = new WeakMap<IncomingMessage, OfferedSocket>();

/** Routes an accepted offer like any request, so that hooks run before the upgrade and may refuse it. */
export function routeOffer(
  route: RequestListener,
  request: IncomingMessage,
  { socket, head }: OfferedSocket,
): void {
  offered.set(request, { socket, head });
  const response = new ServerResponse(request);
  response.assignSocket(socket);
  route(request, response as Parameters<RequestListener>[1]);
}

/** The connection of a request that offers a websocket; undefined for other requests. */
export function offeredSocket(request: IncomingMessage): OfferedSocket | undefined {
  return offered.get(request);
}
