/** What came of an answer, and whether its end was a proper one. */
export interface StreamedText {
  readonly text: string;
  readonly isWhole: boolean;
}

/** Reads an answer until it ends or breaks off. */
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
