import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { UsageError } from "../../errors.ts";

/** Streams of a prompt for a secret. */
export interface TypedSource {
  /** Default: standard input. */
  readonly input?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Where the prompt is written. Default: standard error. */
  readonly output?: NodeJS.WritableStream;
}

/** A prompt for a secret. */
interface Wanted {
  /** Such as "Key (id:secret)". */
  readonly question: string;
  /** The error for empty input. */
  readonly missing: string;
  /** Maximum length, in characters. */
  readonly maxLength: number;
  /** The error for longer input. */
  readonly tooLong: string;
}

/**
 * Reads a key from standard input: by a prompt without echo on a terminal, else from the pipe. Keys are not taken as arguments:
 * every user of the machine can see those, and shells store them. Resolves to undefined if Ctrl-C ended the prompt.
 *
 * @throws UsageError for empty or too long input
 */
export async function typedKey(source: TypedSource = {}): Promise<string | undefined> {
  const wanted = {
    question: "Key (id:secret)",
    missing: "There is no key on standard input: type it, or pipe it, as id:secret.",
    maxLength: 4_096,
    tooLong: "Standard input is too long for a key.",
  };
  return (await typed(wanted, source))?.trim();
}

/** Reads the value of a secret in the same way. One line feed at its end is removed. @throws UsageError */
export async function typedValue(name: string, source: TypedSource = {}): Promise<string | undefined> {
  const wanted = {
    question: `Value of ${name}`,
    missing: `There is no value of ${name} on standard input: type it, or pipe it.`,
    maxLength: 65_536,
    tooLong: `Standard input is too long for ${name}: the maximum is 65,536 characters.`,
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
  // In terminal mode only readline echoes the input, to an output that discards it.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const questions = createInterface({ input, output: nowhere, terminal: true });
  // Prompt only now: before, the terminal echoes the input.
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
