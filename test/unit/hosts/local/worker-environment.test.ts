import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { workerVariables } from "../../../../src/hosts/local/worker-environment.ts";

const OWN = {
  PATH: "/bin",
  HOME: "/home/me",
  SERVABLE_CACHE_DIR: "/cache",
  TOKEN: "secret",
  NODE_OPTIONS: "--require ./spy.js",
  NODE_CHANNEL_FD: "3",
  npm_config__auth: "secret",
};

describe("a worker's variables are", () => {
  test("the safe ones that are set, by default", () => {
    assert.deepEqual(workerVariables(undefined, OWN), {
      PATH: "/bin",
      HOME: "/home/me",
      SERVABLE_CACHE_DIR: "/cache",
    });
  });

  test("also the listed ones if they are set, even to an empty text", () => {
    const own = { ...OWN, EMPTY: "" };
    const { TOKEN, EMPTY, ...others } = workerVariables(["TOKEN", "EMPTY", "NOT_SET"], own);
    assert.equal(TOKEN, "secret");
    assert.equal(EMPTY, "");
    assert.deepEqual(others, workerVariables([], OWN));
  });

  test("also the given ones, which take precedence", () => {
    const found = workerVariables({ PATH: "/mine", TOKEN: "given" }, OWN);
    assert.deepEqual(found, {
      PATH: "/mine",
      HOME: "/home/me",
      SERVABLE_CACHE_DIR: "/cache",
      TOKEN: "given",
    });
  });

  test("a copy", () => {
    const passed = { A: "1" };
    const found = workerVariables(passed, OWN);
    found["A"] = "2";
    found["PATH"] = "";
    assert.deepEqual([passed.A, OWN.PATH], ["1", "/bin"]);
  });
});
