import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { UsageError } from "../../errors.ts";

/** No key is longer, in characters. */
const MAX_LENGTH = 4_096;

/**
 * A key from standard input: asked for on a terminal, which does not show what is typed, else what comes through the pipe. It
 * is no argument, as those are seen by every user of the machine and kept by shells.
 *
 * @throws UsageError when there is none.
 */
export async function typedKey(): Promise<string> {
  const key = process.stdin.isTTY === true ? await asked() : await piped();
  if (key === "")
    throw new UsageError("There is no key on standard input: type it, or pipe it, as id:secret.");
  return key;
}

async function asked(): Promise<string> {
  process.stderr.write("Key (id:secret), which is not shown: ");
  // A terminal of readline's own shows nothing but what it writes, which goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const questions = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  let isInterrupted = false;
  questions.once("SIGINT", () => {
    isInterrupted = true;
    questions.close();
  });
  const ended = new Promise<string>((resolve) => questions.once("close", () => resolve("")));
  try {
    return (await Promise.race([questions.question(""), ended])).trim();
  } finally {
    questions.close();
    process.stderr.write("\n");
    // As Ctrl-C ends a command everywhere else.
    if (isInterrupted) process.kill(process.pid, "SIGINT");
  }
}

async function piped(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) {
    text += String(chunk);
    if (text.length > MAX_LENGTH) throw new UsageError("What is on standard input is too long for a key.");
  }
  return text.trim();
}
