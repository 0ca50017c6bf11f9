import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Builder } from "../../../src/packaging/engines.ts";
import { buildImage, pushImage } from "../../../src/packaging/build-image.ts";
import { createFolder } from "../../helpers/folders.ts";

const isPosix = process.platform !== "win32";
const DIGEST = `sha256:${"e3fb".repeat(16)}`;
const TRIED = `trying to reuse blob ${DIGEST} at destination:`;

/** A builder that prints lines and fails. */
function failing(flavor: Builder["flavor"], said: string): Builder {
  const command = join(
    createFolder({ builder: `#!/bin/sh\ncat >&2 <<'END'\n${said}\nEND\nexit 125\n` }),
    "builder",
  );
  chmodSync(command, 0o755);
  return { command, flavor };
}

describe("a push that fails", { skip: isPosix ? false : "the programs here are shell scripts" }, () => {
  for (const [flavor, said, message] of [
    [
      "podman",
      `Getting image source signatures\nCopying blob ${DIGEST}\nError: ${TRIED} checking whether a blob ${DIGEST} exists in r.example:5000/me/app: unauthorized: authentication required`,
      /^r\.example:5000\/me\/app:1 is built, but \S+ can't push it: unauthorized: authentication required\. Log in with "\S+ login r\.example:5000", as a user with permission to push\.$/,
    ],
    [
      "buildah",
      `Error: pushing image "x" to "docker://x": ${TRIED} pinging container registry r.example:5000: Get "https://r.example:5000/v2/": http: server gave HTTP response to HTTPS client`,
      /can't push it: Get "https:\S+": http: server gave HTTP response to HTTPS client\. If the registry has no TLS, .*registries\.conf\.d: \[\[registry\]\], location = "r\.example:5000", insecure = true\.$/,
    ],
    [
      "docker",
      `The push refers to repository [r.example:5000/me/app]\nGet "https://r.example:5000/v2/": http: server gave HTTP response to HTTPS client`,
      /add "r\.example:5000" to the "insecure-registries" of Docker's daemon\.json\.$/,
    ],
    [
      "podman",
      `time="2026" level=warning msg="Failed, retrying in 1s"\nError: ${TRIED} pinging container registry r.example:5000: Get "https://r.example:5000/v2/": dial tcp: lookup r.example: no such host`,
      /lookup r\.example: no such host\. Is r\.example:5000 the right registry, and are you logged in \(\S+ login r\.example:5000\)\?$/,
    ],
  ] as const) {
    test(`by ${flavor} is reported in one line with the reason and the solution: ${message.source.slice(-40)}`, async () => {
      await assert.rejects(pushImage(failing(flavor, said), "r.example:5000/me/app:1"), {
        code: "BUILD_FAILED",
        message,
      });
    });
  }

  test("without a registry in the name is reported for Docker Hub", async () => {
    await assert.rejects(pushImage(failing("docker", "denied: requested access"), "me/app:1"), {
      message: /Log in with "\S+ login docker\.io"/,
    });
  });
});

test(
  "a build that this machine's kernel cannot run reports what is missing",
  { skip: isPosix ? false : "the programs here are shell scripts" },
  async () => {
    const builder = failing(
      "podman",
      "exec /bin/sh: exec format error\nError: while running runtime: exit status 1",
    );
    const request = { dockerfile: "FROM a", entries: [], tag: "a:1", platform: "linux/arm64" };
    await assert.rejects(buildImage(builder, request), {
      code: "BUILD_FAILED",
      message:
        /\n {2}exec \/bin\/sh: exec format error\n[^]*\nThis machine can't run programs of linux\/arm64: set up QEMU/,
    });
  },
);
