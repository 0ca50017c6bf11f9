import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { UsageError } from "../../errors.ts";

/** Where what is typed comes from. */
export interface TypedSource {
  /** Default: standard input. */
  readonly input?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Where it is asked for. Default: standard error. */
  readonly output?: NodeJS.WritableStream;
}

/** What is to be typed. */
interface Wanted {
  /** Such as "Key (id:secret)". */
  readonly question: string;
  /** Said when there is none. */
  readonly missing: string;
  /** Longer it can't be, in characters. */
  readonly maxLength: number;
  /** Said when it is. */
  readonly tooLong: string;
}

/**
 * A key from standard input: asked for on a terminal, which does not show what is typed, else what comes through the pipe. It
 * is no argument, as those are seen by every user of the machine and kept by shells. Resolves with nothing when the question
 * was ended by Ctrl-C.
 *
 * @throws UsageError when there is none.
 */
export async function typedKey(source: TypedSource = {}): Promise<string | undefined> {
  const wanted = {
    question: "Key (id:secret)",
    missing: "There is no key on standard input: type it, or pipe it, as id:secret.",
    maxLength: 4_096,
    tooLong: "What is on standard input is too long for a key.",
  };
  return (await typed(wanted, source))?.trim();
}

/** The value of a secret, in the same way. One line feed at its end is not part of it. @throws UsageError when there is none */
export async function typedValue(name: string, source: TypedSource = {}): Promise<string | undefined> {
  const wanted = {
    question: `Value of ${name}`,
    missing: `There is no value of ${name} on standard input: type it, or pipe it.`,
    maxLength: 65_536,
    tooLong: `What is on standard input is too long for ${name}: it may have 65,536 characters.`,
  };
  return (await typed(wanted, source))?.replace(/\r?\n$/, "");
}

async function typed(
  wanted: Wanted,
  { input = process.stdin, output = process.stderr }: TypedSource,
): Promise<string | undefined> {
  const text = input.isTTY === true ? await asked(wanted, input, output) : await piped(wanted, input);
  if (text?.trim() === "") throw new UsageError(wanted.missing);
  return text;
}

async function asked(
  { question }: Wanted,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<string | undefined> {
  // A terminal of readline's own shows nothing but what it writes, which goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const questions = createInterface({ input, output: nowhere, terminal: true });
  // Not before: until now the terminal itself shows what is typed.
  output.write(`${question}, which is not shown: `);
  try {
    return await new Promise<string | undefined>((resolve, reject) => {
      questions.once("SIGINT", () => resolve(undefined));
      questions.once("close", () => resolve(""));
      questions.question("").then((line) => resolve(line), reject);
    });
  } finally {
    questions.close();
    output.write("\n");
  }
}

async function piped({ maxLength, tooLong }: Wanted, input: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  input.setEncoding("utf8");
  for await (const chunk of input) {
    text += String(chunk);
    if (text.length > maxLength) throw new UsageError(tooLong);
  }
  return text;
}
