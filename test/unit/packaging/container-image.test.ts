import assert from "node:assert/strict";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { ContainerImage, DefinitionError, type ContainerImageOptions } from "../../../src/index.ts";
import { DEFAULT_IGNORE, IgnoreRules } from "../../../src/build-context/ignore-rules.ts";
import { createFolder } from "../../helpers/folders.ts";

const DOCKERFILE = "FROM node:22\nCOPY package.json ./\nCOPY src/ ./src/\n";

function refused(make: () => unknown, message: RegExp): void {
  assert.throws(
    make,
    (error) =>
      error instanceof DefinitionError && error.code === "IMAGE_INVALID" && message.test(error.message),
  );
}

describe("a container image", () => {
  test("of a Dockerfile is sent with every key of the protocol", () => {
    const directory = createFolder();
    const image = ContainerImage.fromDockerfileString(DOCKERFILE, { contextDirectory: directory });
    assert.deepEqual(image.toDict(), {
      dockerfile_str: DOCKERFILE,
      build_args: {},
      secrets: {},
      registries: {},
      builder: null,
      compression: "gzip",
      force_compression: false,
      docker_context_dir: ".",
      docker_files_list: ["package.json", "src"],
      docker_ignore: new IgnoreRules(DEFAULT_IGNORE).patterns,
    });
  });

  test("is sent with all given options under the protocol's names", () => {
    const image = ContainerImage.fromDockerfileString("FROM a\nARG N\nCOPY $N ./", {
      buildArgs: { N: "x" },
      secrets: { token: "s3cret" },
      registries: { "ghcr.io": { username: "me", password: "pa55" } },
      builder: "depot",
      compression: "zstd",
      forceCompression: true,
      ignore: ["*.log"],
      entrypoint: ["node"],
      cmd: "node app.js",
      useIsolate: false,
    });
    const { dockerfile_str: _, ...rest } = image.toDict();
    assert.deepEqual(rest, {
      build_args: { N: "x" },
      secrets: { token: "s3cret" },
      registries: { "ghcr.io": { username: "me", password: "pa55" } },
      builder: "depot",
      compression: "zstd",
      force_compression: true,
      docker_context_dir: ".",
      docker_files_list: ["x"],
      docker_ignore: ["^(?:.+/)?[^/]*\\.log(?:/|$)"],
      entrypoint: ["node"],
      cmd: "node app.js",
      use_isolate: false,
    });
  });

  test("from a registry is sent as a reference", () => {
    assert.deepEqual(ContainerImage.fromImage("ghcr.io/me/app:1", { cmd: ["x"] }).toDict(), {
      image: "ghcr.io/me/app:1",
      use_isolate: false,
      cmd: ["x"],
    });
    refused(() => ContainerImage.fromImage("a b"), /named like/);
    const options: ContainerImageOptions = { buildArgs: { A: "1" } };
    refused(() => ContainerImage.fromImage("a", options), /no option "buildArgs"/);
  });

  test("of a Dockerfile path uses the files beside it, and the first ignore rules that are given", () => {
    const directory = createFolder({
      Dockerfile: DOCKERFILE,
      ".dockerignore": "from-file\n",
      other: "from-other\n",
    });
    const path = join(directory, "Dockerfile");
    const patternsOf = (options?: ContainerImageOptions): unknown =>
      ContainerImage.fromDockerfile(path, options).toDict()["docker_ignore"];
    assert.equal(ContainerImage.fromDockerfile(path).contextDirectory, directory);
    assert.deepEqual(patternsOf(), ["^(?:.+/)?from-file(?:/|$)"]);
    assert.deepEqual(patternsOf({ ignoreFile: join(directory, "other") }), ["^(?:.+/)?from-other(?:/|$)"]);
    assert.deepEqual(patternsOf({ ignore: ["x"], ignoreFile: join(directory, "other") }), [
      "^(?:.+/)?x(?:/|$)",
    ]);
    refused(
      () => patternsOf({ ignoreFile: join(directory, "none") }),
      /^The ignore file .*none does not exist\.$/,
    );
  });

  test("prints neither secrets nor logins", () => {
    const image = ContainerImage.fromDockerfileString(DOCKERFILE, {
      secrets: { token: "s3cret" },
      registries: { host: { username: "me", password: "pa55" } },
    });
    for (const shown of [
      inspect(image, { depth: 9, showHidden: true }),
      JSON.stringify(image),
      String(image),
    ]) {
      assert.doesNotMatch(shown, /s3cret|pa55/);
    }
  });

  test("is rejected with an unknown or invalid option, whose value is not shown", () => {
    const make = (options: object) => (): unknown => ContainerImage.fromDockerfileString(DOCKERFILE, options);
    refused(make({ buildArg: {} }), /no option "buildArg"; did you mean "buildArgs"\?$/);
    refused(make({ nonsense: 1 }), /no option "nonsense"; it takes registries, /);
    refused(
      make({ registries: { host: { username: "a" } } }),
      /"registries" .* must be an object from hosts to/,
    );
    refused(make({ secrets: { token: 12_345 } }), /^(?!.*12345).*"secrets" .* must be an object of texts/);
    refused(make({ builder: "me" }), /must be "depot"/);
    refused(make({ entrypoint: 5 }), /must be a text or a list of texts/);
  });

  test("is rejected without a valid Dockerfile", () => {
    refused(() => ContainerImage.fromDockerfileString(" \n"), /empty/);
    refused(() => ContainerImage.fromDockerfileString("hello"), /Line 1 of the Dockerfile: "hello" is no/);
    refused(
      () => ContainerImage.fromDockerfile("no/such/Dockerfile"),
      /^The file no\/such\/Dockerfile does not exist\.$/,
    );
  });

  test(
    "is sent without ignored files, also behind links",
    { skip: process.platform === "win32" },
    async () => {
      const contextDirectory = createFolder({
        "real/app.ts": "",
        "real/.env": "KEY=1",
        ".dockerignore": "**/.env",
      });
      symlinkSync("real", join(contextDirectory, "src"));
      const image = ContainerImage.fromDockerfileString("FROM a\nCOPY src src", { contextDirectory });
      const sent = await image.collectFiles();
      assert.deepEqual(
        sent.map(({ relativePath }) => relativePath),
        ["src/app.ts"],
      );
    },
  );
});
