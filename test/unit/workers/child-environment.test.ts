import assert from "node:assert/strict";
import { test } from "node:test";
import { workerEnvironment, workerNodeOptions } from "../../../src/workers/child-environment.ts";

test("a worker inherits Node's options for loading and running code", () => {
  const options = [
    "--conditions=servable-source",
    "--import",
    "tsx",
    "--max-old-space-size=200",
    "--expose-gc",
  ];
  assert.deepEqual(workerNodeOptions(options), options);
});

test("the options for debugger, watch mode, test run and inline code are not inherited", () => {
  const options = [
    ...[
      "--inspect",
      "--inspect=9229",
      "--inspect-brk=0.0.0.0:1",
      "--inspect-port=9230",
      "--inspect-port",
      "9230",
    ],
    ...["--watch", "--watch-path=./src", "--watch-path", "./src", "--watch-preserve-output"],
    ...["--test", "--test-concurrency=2", "--test-reporter", "spec", "-e", "1 + 1", "--eval", "2", "-p", "3"],
    ...["--require", "./first.cjs"],
  ];
  assert.deepEqual(workerNodeOptions(options), ["--require", "./first.cjs"]);
});

test("a worker's environment has its own variables, and none that connect this process to its parent", () => {
  const environment = {
    NODE_UNIQUE_ID: "1",
    NODE_CHANNEL_FD: "3",
    WATCH_REPORT_DEPENDENCIES: "1",
    NODE_OPTIONS: "--inspect=9229 --max-http-header-size=1000 --inspect-brk",
    PATH: "/bin",
    CUDA_VISIBLE_DEVICES: "0,1",
  };
  assert.deepEqual(workerEnvironment({ CUDA_VISIBLE_DEVICES: "1" }, environment), {
    NODE_OPTIONS: "--max-http-header-size=1000",
    PATH: "/bin",
    CUDA_VISIBLE_DEVICES: "1",
  });
  assert.equal(environment.NODE_UNIQUE_ID, "1");
});
