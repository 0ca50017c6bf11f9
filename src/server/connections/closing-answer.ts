import { STATUS_CODES } from "node:http";

/** A complete HTTP/1.1 answer for a raw connection, which must be closed after it. The detail is the status text. */
export function closingAnswer(status: number): string {
  const reason = STATUS_CODES[status];
  const body = JSON.stringify({ detail: reason });
  const head = `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\n`;
  return `${head}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
}
