import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { DefinitionError } from "../../../src/errors.ts";
import { parseDockerfile } from "../../../src/build-context/dockerfile.ts";

/** Keyword and text of each instruction. */
function read(text: string): string[] {
  return parseDockerfile(text).instructions.map((item) => `${item.keyword}|${item.text}`);
}

function refused(text: string, message: RegExp): void {
  assert.throws(
    () => parseDockerfile(text),
    (error) =>
      error instanceof DefinitionError && error.code === "IMAGE_INVALID" && message.test(error.message),
  );
}

describe("a Dockerfile is read", () => {
  test("with continuation lines joined, and comments and empty lines between them omitted", () => {
    assert.deepEqual(read("# head\nFROM a\nRUN one \\\n  # why\n\n  two \\  \n  three\n\ncopy x y\n"), [
      "FROM|a",
      "RUN|one   two   three",
      "COPY|x y",
    ]);
  });

  test("with the line on which each instruction starts", () => {
    const { instructions } = parseDockerfile("\nFROM a\nRUN b \\\n c\nCMD d");
    assert.deepEqual(
      instructions.map(({ line }) => line),
      [2, 3, 5],
    );
  });

  test("with flags separated from arguments, and arguments in JSON form parsed", () => {
    const [, copy, run, shell] = parseDockerfile(
      'FROM a\nCOPY --chown=1:1 --from=b ["a b", "c"]\nRUN --mount=type=bind,source=x ls\nCMD [not, json]',
    ).instructions;
    assert.deepEqual(copy?.flags, ["chown=1:1", "from=b"]);
    assert.deepEqual(copy?.json, ["a b", "c"]);
    assert.deepEqual(run?.flags, ["mount=type=bind,source=x"]);
    assert.equal(run?.text, "ls");
    assert.equal(shell?.json, undefined);
  });

  test("with the bodies of here-documents, whatever they contain", () => {
    const { instructions } = parseDockerfile(
      'FROM a\nRUN <<EOF cat <<-"TWO"\nCOPY not this \\\nEOF\n\t\tindented\n\tTWO\nCOPY <<x.txt /x\nhi\nx.txt\nCMD y',
    );
    assert.deepEqual(
      instructions.map(({ keyword, heredocs }) => [keyword, ...heredocs]),
      [["FROM"], ["RUN", "COPY not this \\\n", "indented\n"], ["COPY", "hi\n"], ["CMD"]],
    );
  });

  test("without a here-document where its marker is quoted", () => {
    assert.deepEqual(read("FROM a\nRUN echo \"<<EOF\" '<<X'\nCMD b").length, 3);
  });

  test("with a backtick for escapes where the directive says so, and with Windows line endings", () => {
    const dockerfile = parseDockerfile("# escape=`\r\nFROM a\r\nRUN b `\r\n c\\\r\nCMD d\r\n");
    assert.equal(dockerfile.escape, "`");
    assert.deepEqual(
      dockerfile.instructions.map(({ text }) => text),
      ["a", "b  c\\", "d"],
    );
    assert.equal(parseDockerfile("# words\n# escape=`\nFROM a").escape, "\\");
  });

  test("unless it is invalid: the error names the line", () => {
    refused("FROM a\nRUM b", /^Line 2 of the Dockerfile: "RUM" is not an instruction\.$/);
    refused("FROM a\n\nRUN <<EOF\nb", /^Line 3 .* here-document EOF is not closed\.$/);
    refused("ARG A=1", /has no FROM/);
    refused("", /has no FROM/);
  });

  test("without a crash for any text", () => {
    const line = fc.oneof(
      fc.constantFrom("FROM a", "RUN x \\", "COPY [", "ADD <<E", "E", "# c", "", "ENV A=$", "ONBUILD RUN x"),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        try {
          parseDockerfile(lines.join("\n"));
        } catch (error) {
          assert.ok(error instanceof DefinitionError, String(error));
        }
      }),
    );
  });

  test("in the same way wherever its lines are broken", () => {
    const word = fc.stringMatching(/^[a-z0-9./=-]{1,8}$/);
    const instruction = fc.record({
      keyword: fc.constantFrom("RUN", "COPY", "ENV", "CMD"),
      words: fc.array(word, { minLength: 2, maxLength: 6 }),
      breaks: fc.array(fc.constantFrom(" ", " \\\n", " \\ \n  # note\n", " \\\n\n"), {
        minLength: 5,
        maxLength: 5,
      }),
    });
    fc.assert(
      fc.property(fc.array(instruction, { maxLength: 6 }), (instructions) => {
        const broken = instructions.map(({ keyword, words, breaks }) =>
          words.reduce(
            (text, next, index) => `${text}${index === 0 ? " " : breaks[index - 1]}${next}`,
            keyword,
          ),
        );
        const normal = read(["FROM a", ...broken].join("\n")).map((text) => text.replaceAll(/\s+/g, " "));
        const whole = instructions.map(({ keyword, words }) => `${keyword}|${words.join(" ")}`);
        // A first word in the form of a flag is parsed as a flag.
        if (instructions.some(({ words }) => words.some((item) => item.startsWith("--")))) return;
        assert.deepEqual(normal, ["FROM|a", ...whole]);
      }),
    );
  });
});
