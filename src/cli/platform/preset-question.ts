import { once } from "node:events";
import { createInterface, type Interface } from "node:readline/promises";
import { UsageError } from "../../errors.ts";
import { KEY_PRESETS, type CreateKeyOptions, type KeyPreset } from "../../platform/account/keys.ts";
import type { Asking } from "./confirmation.ts";

/** The default: Enter alone. */
const DEFAULT_PRESET: KeyPreset = "API";
const CUSTOM = "CUSTOM";

/**
 * Asks on the terminal for the permissions of a key: a preset by number or name, or a list of permissions. Resolves to
 * undefined if the input ends without an answer.
 *
 * @throws UsageError without a terminal, and for an invalid answer
 */
export async function askPreset({ input = process.stdin, output = process.stderr }: Asking = {}): Promise<
  CreateKeyOptions | undefined
> {
  if (input.isTTY !== true) {
    throw new UsageError(
      "The permissions of the key are missing, and there is no terminal to ask on: add --preset or --permission.",
    );
  }
  const presets = Object.keys(KEY_PRESETS) as KeyPreset[];
  const names = [...presets, CUSTOM];
  const texts = [...Object.values(KEY_PRESETS), "permissions that you name"];
  for (const [index, name] of names.entries()) {
    output.write(`  ${index + 1}  ${name.padEnd(10)}  ${texts[index] ?? ""}\n`);
  }
  // Not in terminal mode, so that Ctrl-C sends SIGINT.
  const questions = createInterface({ input, output, terminal: false });
  try {
    const answer = await answerTo(
      questions,
      `Which permissions shall the key have, by number or name (${DEFAULT_PRESET})? `,
    );
    if (answer === undefined) return undefined;
    const word = answer === "" ? DEFAULT_PRESET : answer.toUpperCase();
    const chosen = /^\d+$/.test(word) ? names[Number(word) - 1] : names.find((name) => name === word);
    if (chosen === undefined) throw new UsageError(`"${answer}" is not one of ${names.join(", ")}.`);
    if (chosen !== CUSTOM) return { preset: chosen as KeyPreset };
    const list = await answerTo(
      questions,
      "Permissions, with commas between them, such as models:requests:submit: ",
    );
    if (list === undefined) return undefined;
    const permissions = list.split(",").map((name) => name.trim());
    if (permissions.every((name) => name === ""))
      throw new UsageError("A key needs at least one permission.");
    return { permissions: permissions.filter((name) => name !== "") };
  } finally {
    questions.close();
  }
}

async function answerTo(questions: Interface, question: string): Promise<string | undefined> {
  const ended = once(questions, "close").then(() => undefined);
  return (await Promise.race([questions.question(question), ended]))?.trim();
}
