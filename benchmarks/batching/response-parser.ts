/** The parts of a response that the load generator needs. */
export interface Response {
  readonly status: number;
  readonly hasRetryAfter: boolean;
  /** Whether the server closes the connection after it. */
  readonly closes: boolean;
  readonly body: string;
}

/**
 * Reads one HTTP/1.1 response with a content length, the only form that the benchmark's servers send. Undefined if
 * part of it is missing. @throws Error for anything else.
 */
export function parseResponse(text: string): Response | undefined {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const head = text.slice(0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (!head.startsWith("HTTP/1.1 ") || length === undefined) throw new Error(`No answer to read: ${head}`);
  const bodyEnd = headEnd + 4 + Number(length);
  if (text.length < bodyEnd) return undefined;
  if (text.length > bodyEnd) throw new Error(`More than one answer: ${text}`);
  return {
    status: Number(head.slice(9, 12)),
    hasRetryAfter: /\r\nretry-after: *\d/i.test(head),
    closes: /\r\nconnection: *close/i.test(head),
    body: text.slice(headEnd + 4),
  };
}
