import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { buildImage } from "../../../src/packaging/build-image.ts";
import { createFolder } from "../../helpers/folders.ts";

const isPosix = process.platform !== "win32";
const ID = `sha256:${"ab12".repeat(16)}`;
const REQUEST = { dockerfile: "FROM a", entries: [], tag: "a:1" };

interface ReportingBuilder {
  readonly command: string;
  /** A file that exists once the image has its tag. */
  readonly tagged: string;
  /** The folder in which the builder creates a file when it reaches the step. */
  readonly folder: string;
  /** The builder continues once this file exists. */
  readonly gate: string;
}

/** A builder that finishes immediately, except that it waits at one step. */
function builderThatReports(step: "image" | "tag"): ReportingBuilder {
  const folder = createFolder();
  const [tagged, gate] = [join(createFolder(), "tagged"), join(createFolder(), "open")];
  const program = join(
    createFolder({
      builder: `#!/bin/sh
if [ "$1" = ${step} ]; then
  echo > '${folder}/reached'
  while [ ! -e '${gate}' ]; do sleep 0.01; done
fi
case $1 in
build)
  while [ "$1" != --iidfile ]; do shift; done
  cat > /dev/null
  echo ${ID} > "$2" ;;
image) echo 42 ;;
tag) echo "$2" > '${tagged}' ;;
esac
`,
    }),
    "builder",
  );
  chmodSync(program, 0o755);
  return { command: program, tagged, folder, gate };
}

describe(
  "Ctrl-C at the end of a build",
  { skip: isPosix ? false : "the programs here are shell scripts" },
  () => {
    async function interruptedAt(step: "image" | "tag"): Promise<{ result: unknown; isTagged: boolean }> {
      const { command, tagged, folder, gate } = builderThatReports(step);
      const controller = new AbortController();
      const watcher = watch(folder);
      const aborted = once(watcher, "change").then(() => {
        watcher.close();
        controller.abort(new Error("enough"));
        writeFileSync(gate, "");
      });
      const { signal } = controller;
      const built = buildImage({ command, flavor: "docker" }, { ...REQUEST, signal });
      const result = await built.catch((error: unknown) => error);
      await aborted;
      return { result, isTagged: existsSync(tagged) };
    }

    test("is ignored while the image gets its tag: the build succeeds", async () => {
      assert.deepEqual(await interruptedAt("tag"), {
        result: { id: ID, tag: "a:1", sizeBytes: 42 },
        isTagged: true,
      });
    });

    test("just before that leaves an image without a tag", async () => {
      assert.deepEqual(await interruptedAt("image"), { result: new Error("enough"), isTagged: false });
    });
  },
);

describe("a build", { skip: isPosix ? false : "the programs here are shell scripts" }, () => {
  const ALL = {
    buildArgs: { A: "1", B: "two words" },
    secrets: { token: "s3cret" },
    platform: "linux/arm64",
    noCache: true,
  };
  const ASKED = ["--build-arg A=1", "--build-arg B=two words", "--platform linux/arm64", "--no-cache", "-"];
  const own = {
    docker: ["build", "--force-rm", "--build-arg", "SOURCE_DATE_EPOCH=0"],
    podman: ["build", "--force-rm", "--format docker", "--timestamp 0"],
    buildah: ["bud", "--force-rm", "--layers", "--format docker", "--timestamp 0"],
  } as const;

  for (const flavor of ["docker", "podman", "buildah"] as const) {
    test(`by ${flavor} gets all requested options, and its temporary files until it ends`, async () => {
      const folder = createFolder({
        builder: `#!/bin/sh
case $1 in
build|bud)
  echo "$*" >&2
  echo "in $TMPDIR at $SOURCE_DATE_EPOCH" >&2
  while [ "$1" != --iidfile ]; do shift; done
  id=$2
  while [ "$1" != --secret ]; do shift; done
  cat "\${2#*src=}" && echo
  tar -t
  echo ${ID.replace("sha256:", "")} > "$id" ;;
image) echo 42 ;;
esac
`,
      });
      const command = join(folder, "builder");
      chmodSync(command, 0o755);
      const lines: string[] = [];
      const built = await buildImage(
        { command, flavor },
        { ...REQUEST, ...ALL, onLine: (line) => lines.push(line) },
      );
      const sizeBytes = flavor === "buildah" ? undefined : 42;
      assert.deepEqual(built, { id: ID, tag: "a:1", sizeBytes });
      const args = lines.find((line) => line.includes("--iidfile")) ?? "";
      assert.ok(args.startsWith(`${own[flavor].join(" ")} --file .servable.dockerfile --iidfile `), args);
      const [before = "", after = ""] = args.split(/ --secret id=token,src=\S+ /);
      assert.ok(before.endsWith(ASKED.slice(0, 2).join(" ")), args);
      assert.equal(after, ASKED.slice(2).join(" "));
      assert.ok(!args.includes("s3cret"));
      for (const line of ["s3cret", ".servable.dockerfile", ".dockerignore"])
        assert.ok(lines.includes(line), line);
      const [, temporary = ""] = /^in (.*) at 0$/m.exec(lines.join("\n")) ?? [];
      assert.match(temporary, /servable-build-/);
      assert.equal(existsSync(temporary), false);
    });
  }
});
