import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { UsageError } from "../../errors.ts";

/** Streams of a question. */
export interface Asking {
  /** Default: standard input. */
  readonly input?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Default: standard error. */
  readonly output?: NodeJS.WritableStream;
  /** Ends the question; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A question that is answered by typing a text. */
export interface Question {
  /** The consequence to confirm, as a sentence. */
  readonly warning: string;
  /** The text to type. */
  readonly text: string;
}

/**
 * Asks on the terminal to type a text. Resolves to whether exactly that was typed; false at the end of the input.
 *
 * @throws UsageError without a terminal; its message names `--yes`
 */
export async function isConfirmed(
  { warning, text }: Question,
  { input = process.stdin, output = process.stderr, signal }: Asking = {},
): Promise<boolean> {
  if (input.isTTY !== true) {
    throw new UsageError(`${warning} There is no terminal to confirm it on; to do it anyway, add --yes.`);
  }
  // Not in terminal mode, so that Ctrl-C sends SIGINT.
  const questions = createInterface({ input, output, terminal: false });
  try {
    const ended = once(questions, "close").then(() => undefined);
    const asked = questions.question(
      `${warning} Type "${text}" to continue: `,
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
