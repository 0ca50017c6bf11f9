import type { FastifyReply, FastifyRequest } from "fastify";
import { Socket } from "node:net";

/** If a refused request has a longer body, its connection is closed instead of reading it. In bytes. */
const LONG_BODY = 1024 * 1024;
/** Time for which a connection still reads after its last answer, in ms. */
const LINGER_MS = 2_000;

/**
 * Handles the body of a request that is answered before the body has arrived: a short one is discarded, for a longer
 * one the connection is closed.
 */
export function leaveUnread({ raw }: FastifyRequest, reply: FastifyReply): void {
  if (raw.complete || Number(raw.headers["content-length"]) <= LONG_BODY) return;
  reply.header("connection", "close");
  if (raw.socket instanceof Socket) closeGently(raw.socket);
}

/**
 * Closes a connection in a way that its last answer arrives. If it were closed immediately, with unread bytes of the
 * client, the system would reset it and the client would lose the answer.
 */
function closeGently(socket: Socket): void {
  // Node calls this once the answer is sent.
  socket.destroySoon = () => {
    socket.end();
    const late = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once("close", () => clearTimeout(late));
  };
}
