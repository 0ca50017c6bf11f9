import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { createProgram } from "../../src/cli/program.ts";
import { blocksOf, pages, proseOf, readPage, tableRows } from "./markdown.ts";

/** The output of `servable COMMAND --help`, by command; subcommands as "env list". */
const help = new Map(
  createProgram().commands.flatMap((command) =>
    command.commands.length === 0
      ? [[command.name(), command.helpInformation()] as const]
      : command.commands.map(
          (inner) => [`${command.name()} ${inner.name()}`, inner.helpInformation()] as const,
        ),
  ),
);

/** The flags of a text, such as `--port` and `-p`. */
function flags(text: string): string[] {
  return [...text.matchAll(/(?<![\w-])--?[a-z][a-z-]*/g)].map(([flag]) => flag);
}

/** The flags in a command's help, without those that commands for a control plane share. */
function optionsIn(helpText: string): string[] {
  const groups = stripVTControlCharacters(helpText).split(/\n(?=\S[^\n]*:\n)/);
  const lines = groups
    .filter((group) => !/^(?:Control plane|Output) options:/.test(group))
    .flatMap((group) => group.split("\n"));
  const heads = lines.map((line) => /^ {2}(-.*?)(?: {2}|$)/.exec(line)?.[1] ?? "");
  return flags(heads.join(" ")).filter((flag) => flag !== "-h" && flag !== "--help");
}

const sections = new Map(
  proseOf(readPage("docs/guides/cli.md"))
    .split(/^## servable /m)
    .slice(1)
    .map((section): [string, string] => {
      const [name = "", ...lines] = section.split("\n");
      return [name, lines.join("\n")];
    }),
);

test("every command is documented, and no other", () => {
  assert.deepEqual([...sections.keys()].toSorted(), [...help.keys()].toSorted());
});

test("every flag that a command's help lists is documented, and no other", () => {
  for (const [name, section] of sections) {
    const documented = tableRows(section).flatMap(([cell = ""]) => flags(cell));
    assert.deepEqual(documented.toSorted(), optionsIn(help.get(name) ?? "").toSorted(), `servable ${name}`);
  }
});

test("every servable command shown on any page exists, with its flags", () => {
  const shown = pages().flatMap((page) =>
    blocksOf(readPage(page))
      .filter(({ language }) => language === "bash")
      .flatMap(({ text }) => [...text.matchAll(/^(?:\$ )?(?:npx )?servable ([a-z]+)(.*)$/gm)])
      .map(([line, command = "", rest = ""]) => {
        const [inner = ""] = /^ [a-z]+/.exec(rest) ?? [];
        const name = help.has(`${command}${inner}`) ? `${command}${inner}` : command;
        return { where: `${page}: ${line}`, command: name, rest };
      }),
  );
  assert.ok(shown.length >= 4, "the README shows the commands");
  for (const { where, command, rest } of shown) {
    const known = help.get(command);
    assert.ok(known !== undefined, where);
    for (const flag of flags(rest))
      assert.ok(optionsIn(known).includes(flag), `${where} has an unknown ${flag}`);
  }
});
