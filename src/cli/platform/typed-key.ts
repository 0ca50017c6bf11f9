import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { UsageError } from "../../errors.ts";

/** Where a key comes from. */
export interface KeySource {
  /** Default: standard input. */
  readonly input?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Where it is asked for. Default: standard error. */
  readonly output?: NodeJS.WritableStream;
}

/** No key is longer, in characters. */
const MAX_LENGTH = 4_096;

/**
 * A key from standard input: asked for on a terminal, which does not show what is typed, else what comes through the pipe. It
 * is no argument, as those are seen by every user of the machine and kept by shells. Resolves with nothing when the question
 * was ended by Ctrl-C.
 *
 * @throws UsageError when there is none.
 */
export async function typedKey({ input = process.stdin, output = process.stderr }: KeySource = {}): Promise<
  string | undefined
> {
  const key = input.isTTY === true ? await asked(input, output) : await piped(input);
  if (key === "")
    throw new UsageError("There is no key on standard input: type it, or pipe it, as id:secret.");
  return key;
}

async function asked(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<string | undefined> {
  // A terminal of readline's own shows nothing but what it writes, which goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const questions = createInterface({ input, output: nowhere, terminal: true });
  // Not before: until now the terminal itself shows what is typed.
  output.write("Key (id:secret), which is not shown: ");
  try {
    return await new Promise<string | undefined>((resolve, reject) => {
      questions.once("SIGINT", () => resolve(undefined));
      questions.once("close", () => resolve(""));
      questions.question("").then((line) => resolve(line.trim()), reject);
    });
  } finally {
    questions.close();
    output.write("\n");
  }
}

async function piped(input: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  input.setEncoding("utf8");
  for await (const chunk of input) {
    text += String(chunk);
    if (text.length > MAX_LENGTH) throw new UsageError("What is on standard input is too long for a key.");
  }
  return text.trim();
}
