import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { UsageError } from "../../errors.ts";

/** Where a question is asked. */
export interface Asking {
  /** Default: standard input. */
  readonly input?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Default: standard error. */
  readonly output?: NodeJS.WritableStream;
  /** Ends the question; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What is asked. */
export interface Question {
  /** What is to be confirmed, as a sentence. */
  readonly warning: string;
  /** What has to be typed. */
  readonly text: string;
}

/**
 * Asks on the terminal to type a text, and says whether just that was typed. The end of the input is a no.
 *
 * @throws UsageError when there is no terminal to ask on; it names `--yes`.
 */
export async function isConfirmed(
  { warning, text }: Question,
  { input = process.stdin, output = process.stderr, signal }: Asking = {},
): Promise<boolean> {
  if (input.isTTY !== true) {
    throw new UsageError(`${warning} There is no terminal to ask on whether it is meant; if so, add --yes.`);
  }
  // Not as a terminal: Ctrl-C is then the signal that it is everywhere else.
  const questions = createInterface({ input, output, terminal: false });
  try {
    const ended = once(questions, "close").then(() => undefined);
    const asked = questions.question(
      `${warning} Type "${text}" to go on: `,
      signal === undefined ? {} : { signal },
    );
    const answer = await Promise.race([asked, ended]);
    return answer?.trim() === text;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    questions.close();
  }
}
