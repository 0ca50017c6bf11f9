import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import type { Command } from "commander";
import { createProgram } from "../../../src/cli/program.ts";

const program = createProgram();

/** Every subcommand of a command, with its full name. */
function commandsBelow(parent: Command, path: readonly string[] = []): [string[], Command][] {
  return parent.commands.flatMap((command) => {
    const inner = [...path, command.name()];
    return [[inner, command], ...commandsBelow(command, inner)] satisfies [string[], Command][];
  });
}

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
  return stripVTControlCharacters(text);
}

/** The command that the words of a command line select. */
function commandOf(words: readonly string[]): Command {
  return words.reduce<Command>(
    (command, word) => command.commands.find((inner) => inner.name() === word) ?? command,
    program,
  );
}

test("the help of every command and group has examples that use existing flags", () => {
  for (const [path, command] of commandsBelow(program)) {
    const examples = [...helpOf(command).matchAll(/^ {2}\$ servable (.*?)(?: {2,}.*)?$/gm)].map(
      ([, line = ""]) => line,
    );
    const name = path.join(" ");
    assert.ok(
      examples.some((line) => `${line} `.startsWith(`${name} `)),
      `servable ${name} has no example`,
    );
    for (const line of examples) {
      const { options } = commandOf(line.split(" "));
      const known = new Set(options.flatMap(({ short, long }) => [short, long]));
      for (const [flag] of line.matchAll(/(?<=\s)--?[a-z][a-z-]*/g)) {
        assert.ok(known.has(flag), `servable ${line}: there is no ${flag}`);
      }
    }
  }
});
