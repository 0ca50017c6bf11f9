import type { FastifyReply, FastifyRequest } from "fastify";
import { Socket } from "node:net";

/** Of a refused request, a longer body is not waited for: its connection is closed. In bytes. */
const LONG_BODY = 1024 * 1024;
/** For so long a connection takes what is still sent after its last answer, in milliseconds. */
const LINGER_MS = 2_000;

/**
 * Sees to the body of a request that is answered before it has arrived: a short one is read and forgotten, with a longer
 * one the connection ends.
 */
export function leaveUnread({ raw }: FastifyRequest, reply: FastifyReply): void {
  if (raw.complete || Number(raw.headers["content-length"]) <= LONG_BODY) return;
  reply.header("connection", "close");
  if (raw.socket instanceof Socket) closeGently(raw.socket);
}

/**
 * Has a connection end so that its last answer arrives: closed at once, with bytes of the caller's unread, the system
 * would reset it, and the caller see that in place of the answer.
 */
function closeGently(socket: Socket): void {
  // What Node calls once the answer is out.
  socket.destroySoon = () => {
    socket.end();
    const late = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once("close", () => clearTimeout(late));
  };
}
