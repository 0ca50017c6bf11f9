import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { buildImage } from "../../../src/packaging/build-image.ts";
import { createFolder } from "../../helpers/folders.ts";

const isPosix = process.platform !== "win32";
const ID = `sha256:${"ab12".repeat(16)}`;
const REQUEST = { dockerfile: "FROM a", entries: [], tag: "a:1" };

/** A builder that builds at once. At one of its steps it tells this process, and does it a little later. */
function builderThatTellsOf(step: "image" | "tag"): { readonly command: string; readonly tagged: string } {
  const folder = createFolder();
  const tagged = join(folder, "tagged");
  const program = join(
    createFolder({
      builder: `#!/bin/sh
[ "$1" = ${step} ] && kill -USR2 $PPID && sleep 0.2
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
  return { command: program, tagged };
}

describe(
  "Ctrl-C at the end of a build",
  { skip: isPosix ? false : "the programs here are shell scripts" },
  () => {
    async function interruptedAt(step: "image" | "tag"): Promise<{ result: unknown; isTagged: boolean }> {
      const { command, tagged } = builderThatTellsOf(step);
      const controller = new AbortController();
      const told = once(process, "SIGUSR2").then(() => controller.abort(new Error("enough")));
      const { signal } = controller;
      const built = buildImage({ command, flavor: "docker" }, { ...REQUEST, signal });
      const result = await built.catch((error: unknown) => error);
      await told;
      return { result, isTagged: existsSync(tagged) };
    }

    test("is too late while the image gets its name: that is done", async () => {
      assert.deepEqual(await interruptedAt("tag"), {
        result: { id: ID, tag: "a:1", sizeBytes: 42 },
        isTagged: true,
      });
    });

    test("just before leaves an image without a name", async () => {
      assert.deepEqual(await interruptedAt("image"), { result: new Error("enough"), isTagged: false });
    });
  },
);
