import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** The answer that is due next on a connection; undefined when no request waits for one. */
export function answerInProgress(socket: Socket): ServerResponse | undefined {
  // Node has no public way from a connection to its answer, and to follow each request would cost each request.
  return (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
}
