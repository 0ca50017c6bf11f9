import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { copySourcePath } from "../../../src/build-context/context-path.ts";
import { copySources } from "../../../src/build-context/copy-sources.ts";
import { parseDockerfile } from "../../../src/build-context/dockerfile.ts";

function sources(text: string, buildArgs: Readonly<Record<string, string>> = {}): string[] {
  return copySources(parseDockerfile(text), buildArgs);
}

describe("the sources of COPY and ADD", () => {
  test("are all arguments except the last, in shell and in JSON form", () => {
    assert.deepEqual(sources('FROM a\nCOPY x y/ z\nADD ["a b.txt", "c", "/d/"]'), ["x", "y", "a b.txt", "c"]);
  });

  test("are relative to the context, without duplicates", () => {
    assert.deepEqual(sources("FROM a\nCOPY /x ./y ../z a/../b x/ d/\nCOPY . ."), ["x", "y", "z", "b", "."]);
  });

  test("exclude other build stages, URLs and here-documents", () => {
    assert.deepEqual(
      sources(
        "FROM a AS b\nFROM c\nCOPY --from=b /x /y\nADD https://example.org/x.tar /x\nADD git@github.com:a/b.git /b\n" +
          "COPY <<EOF real /y/\ntext\nEOF\nADD --checksum=sha256:0 http://example.org/y z",
      ),
      ["real"],
    );
  });

  test("keep their globs and exclude flags", () => {
    assert.deepEqual(sources("FROM a\nCOPY --chown=1:1 --link package*.json [ab].ts ./"), [
      "package*.json",
      "[ab].ts",
    ]);
  });

  test("include those of bind mounts", () => {
    assert.deepEqual(
      sources(
        "FROM a\nRUN --mount=type=bind,source=package.json,target=/p --mount=type=cache,target=/c npm ci\n" +
          "RUN --mount=type=bind,from=b,source=x,target=/x ls",
      ),
      ["package.json"],
    );
  });

  test("contain the values of variables that the file or the build sets", () => {
    const text = `ARG ROOT=lib
FROM a AS base
ARG ROOT
ARG NAME=app
ENV DIR=src/\${NAME} OTHER="two words"
FROM base
ENV EXT ts
COPY $ROOT/\${DIR}.$EXT \${NONE:-fallback} \${NAME:+set} '$NAME' \\$NAME ./`;
    assert.deepEqual(sources(text), ["lib/src/app.ts", "fallback", "set", "$NAME"]);
    assert.deepEqual(sources(text, { NAME: "main", ROOT: "r" })[0], "r/src/main.ts");
  });

  test("may match anything where a variable is known only to the builder or the base image", () => {
    assert.deepEqual(sources("FROM a\nARG TARGETARCH\nCOPY bin/$TARGETARCH/x ${HOME}/y ./"), [
      "bin/*/x",
      "*/y",
    ]);
    assert.deepEqual(sources("FROM a\nARG EMPTY\nCOPY ${EMPTY}x ./"), ["x"]);
  });

  test("never lead outside the context", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("..", ".", "", "a", "b c", "*"), { minLength: 1 }), (parts) => {
        const path = copySourcePath(`./${parts.join("/")}`);
        assert.ok(path !== undefined && path !== "" && !path.startsWith("/"));
        assert.ok(!path.split("/").includes(".."));
        assert.equal(copySourcePath(path), path);
      }),
    );
  });

  test("are found anywhere among other instructions", () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9_.]{0,8}$/);
    const other = fc.constantFrom(
      "RUN make",
      "ENV A=1",
      "# note",
      "WORKDIR /x",
      "COPY --from=0 /a /b",
      "FROM c",
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.array(other), fc.uniqueArray(name, { minLength: 1, maxLength: 3 }), fc.boolean()),
        ),
        (blocks) => {
          const lines = blocks.flatMap(([others, names, isJson]) => [
            ...others,
            isJson ? `COPY ${JSON.stringify([...names, "/to/"])}` : `ADD ${names.join(" \\\n ")} /to/`,
          ]);
          const wanted = new Set(blocks.flatMap(([, names]) => names));
          assert.deepEqual(sources(["FROM a", ...lines].join("\n")), [...wanted]);
        },
      ),
    );
  });
});
