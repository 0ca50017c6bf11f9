import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cleanEnvironment } from "../helpers/cli.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";

useFunctionCache();

interface Failure {
  readonly code: string;
  readonly message: string;
}

interface Found {
  readonly restarts: readonly number[];
  readonly call: Failure;
  readonly npm: Failure;
  readonly container: Failure;
  readonly image: Failure;
  readonly program: readonly string[];
  readonly next: object;
  readonly uncaught: readonly object[];
}

describe("in a program that can open no more files,", { timeout: 90_000 }, () => {
  let found: Found;
  const cannotStart = /spawn \S+ EMFILE/;

  before(async () => {
    const fixture = fileURLToPath(new URL("../fixtures/functions/file-limit.ts", import.meta.url));
    const loader = ["--conditions=servable-source", "--import", import.meta.resolve("tsx")];
    const script = 'ulimit -n 256 && exec "$0" "$@"';
    const { stdout } = await promisify(execFile)("sh", ["-c", script, process.execPath, ...loader, fixture], {
      env: cleanEnvironment(),
    });
    found = JSON.parse(stdout) as Found;
  });

  test("a function's call reports why its process can't be started", () => {
    assert.equal(found.call.code, "FUNCTION_WORKER_DIED");
    assert.match(found.call.message, /^The process of pid\(\) can't be started: /);
    assert.match(found.call.message, cannotStart);
  });

  test("a container, an image, an install and a builder report it too", () => {
    assert.match(found.container.message, cannotStart);
    assert.match(found.image.message, cannotStart);
    assert.match(found.npm.message, cannotStart);
    assert.match(found.program.join("\n"), cannotStart);
  });

  test("a pool starts its worker again once, after a delay", () => {
    assert.deepEqual(found.restarts, [100]);
  });

  test("nothing is thrown outside the calls, and everything works again once files can be opened", () => {
    assert.deepEqual(found.uncaught, []);
    assert.deepEqual(found.next, { call: "number", ready: 1 });
  });
});
