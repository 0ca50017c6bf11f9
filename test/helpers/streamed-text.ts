/** The received part of a response, and whether the response was complete. */
export interface StreamedText {
  readonly text: string;
  readonly isWhole: boolean;
}

/** Reads a response until it ends or is aborted. */
export async function readStreamed(answer: Response): Promise<StreamedText> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of answer.body ?? [])
      text += decoder.decode(chunk as Uint8Array, { stream: true });
  } catch {
    return { text, isWhole: false };
  }
  return { text, isWhole: true };
}
