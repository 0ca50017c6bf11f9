/** The text of a response's body, as far as it was read. */
export interface ResponseText {
  readonly text: string;
  /** Whether the body is longer than the limit. */
  readonly isTooLong: boolean;
  /** The error of the connection that ended the body early. */
  readonly failure?: unknown;
}

/**
 * Reads a body as UTF-8, up to a number of bytes. Does not throw, because the text before an error may explain it.
 * @param onBytes called before the first chunk and for each chunk
 */
export async function readText(
  response: Response,
  maxBytes: number,
  onBytes: () => void = () => {},
): Promise<ResponseText> {
  const decoder = new TextDecoder();
  let text = "";
  let left = maxBytes;
  try {
    onBytes();
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      onBytes();
      text += decoder.decode(chunk.subarray(0, left), { stream: true });
      left -= chunk.byteLength;
      if (left < 0) return { text, isTooLong: true };
    }
  } catch (failure) {
    return { text, isTooLong: false, failure };
  }
  return { text: text + decoder.decode(), isTooLong: false };
}

/** The reason in the text of an error response: the `detail` of JSON, else the text itself; "" for an HTML page. */
export function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    if (detail !== undefined) return typeof detail === "string" ? detail : JSON.stringify(detail);
  } catch {
    if (/^\s*</.test(text)) return "";
  }
  return text;
}
