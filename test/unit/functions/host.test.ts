import assert from "node:assert/strict";
import { test } from "node:test";
import { OPTION_TABLE } from "../../../src/functions/option-table.ts";
import { parsed, ReadingHost, refusalOf } from "../../helpers/option-hosts.ts";

test("options are grouped by the part that handles them", () => {
  const setupFunction = (): number => 1;
  const input = { type: "object" };
  const { environment, host } = parsed({ requirements: ["a@1"], keepAlive: 2, setupFunction });
  assert.deepEqual(environment, { kind: "npm", requirements: ["a@1"] });
  assert.deepEqual(host, { keepAlive: 2, setupFunction });
  const { gateway } = parsed({ serve: true, exposedPort: 80, input });
  assert.deepEqual(gateway, { serve: true, exposedPort: 80, input });
});

test("without options there is only an npm environment", () => {
  const options = parsed({});
  assert.deepEqual(options.environment, { kind: "npm" });
  assert.deepEqual({ ...options.host, ...options.gateway }, {});
});

test("an option whose value is undefined is omitted", () => {
  const names = Object.keys(OPTION_TABLE);
  const options = parsed(Object.fromEntries([...names, "nonsense"].map((name) => [name, undefined])));
  assert.deepEqual({ ...options.host, ...options.environment, ...options.gateway }, { kind: "npm" });
});

test("an image selects the container kind; a container without an image is rejected", () => {
  assert.deepEqual(parsed({ image: "node:22" }).environment, { kind: "container", image: "node:22" });
  assert.match(refusalOf({ kind: "container" }), /needs an image, such as image: "node:22-slim"/);
});

test("an option of another environment kind is rejected, with the options of this kind", () => {
  assert.equal(
    refusalOf({ kind: "npm", image: "node:22" }),
    '"image" is not an option of kind "npm", which takes requirements, nodeVersion, lockfile, force.',
  );
  for (const name of ["nodeVersion", "lockfile"]) {
    assert.equal(
      refusalOf({ image: "node:22", [name]: "22" }),
      `"${name}" is not an option of kind "container", which takes requirements, image, force.`,
    );
  }
});

test("the environment kinds of Python are rejected, with a replacement", () => {
  for (const kind of ["virtualenv", "conda"]) {
    const message = refusalOf({ kind, requirements: ["numpy"] });
    assert.match(message, /"npm", with the packages as requirements/);
    assert.match(message, /"container", with an image, for a system with Python/);
  }
});

const MEANT: Readonly<Record<string, string>> = {
  machine_type: "machineType",
  keepalive: "keepAlive",
  keep_alive: "keepAlive",
  requirments: "requirements",
  local_python_modules: "localModules",
  force_env_build: "force",
  setup_function: "setupFunction",
  max_concurrency: "maxConcurrency",
  timeout: "requestTimeout",
  rerase: "reraise",
};
for (const [name, meant] of Object.entries(MEANT)) {
  test(`"${name}" is rejected, and ${meant} is suggested`, () => {
    assert.equal(refusalOf({ [name]: 1 }), `Unknown option "${name}"; did you mean "${meant}"?`);
  });
}

test("python_version is rejected, with the name of Node's option", () => {
  assert.match(refusalOf({ python_version: "3.11" }), /nodeVersion is its version, such as "22"/);
});

test("an unknown option without a similar name is rejected, with a list of all options", () => {
  for (const name of ["nonsense", "constructor", "__proto__", "toString"]) {
    const message = refusalOf(JSON.parse(`{"${name}": 1}`));
    assert.match(message, new RegExp(`^Unknown option "${name}"`));
    for (const known of Object.keys(OPTION_TABLE)) assert.ok(message.includes(known));
  }
});

test("the options of fn() itself are rejected by a host", () => {
  for (const name of ["host", "module", "exportName", "localModules", "reraise"]) {
    assert.match(refusalOf({ [name]: "x" }), /is an option of fn\(\) alone/);
  }
});

test("an option that only other hosts have is rejected, with the options of this host", () => {
  const host = new ReadingHost("keepAlive");
  const message = refusalOf({ memoryLimitMb: 64 }, host);
  assert.match(message, /^ReadingHost has no option "memoryLimitMb"; it takes keepAlive, machineType, /);
  assert.ok(!message.includes("maxConcurrency"));
});

test("every host accepts the options of platforms, since the function may be moved to one", () => {
  const config = {
    machineType: ["GPU-A100", "GPU-H100"],
    numGpus: 2,
    regions: ["us-east"],
    minConcurrency: 1,
    concurrencyBuffer: 1,
    concurrencyBufferPerc: 20,
    scalingDelay: 30,
    requestStartTimeout: 0,
    maxMultiplexing: 4,
    metadata: { team: ["vision"] },
    privateLogs: true,
  };
  assert.deepEqual({ ...new ReadingHost().parseOptions(config).host }, config);
});

test("a host may have options of its own, and its own names for others", () => {
  class Renaming extends ReadingHost {
    constructor() {
      super("keepAlive", "priority");
    }
    override parseKey(key: string, value: unknown): [string, unknown] {
      return key === "idleSeconds" ? super.parseKey("keepAlive", value) : super.parseKey(key, value);
    }
  }
  assert.deepEqual(
    { ...new Renaming().parseOptions({ idleSeconds: 5, priority: "high" }).host },
    { keepAlive: 5, priority: "high" },
  );
  assert.match(refusalOf({ idleSeconds: -1 }, new Renaming()), /^keepAlive must be a whole number from 0/);
});

const WRONG: readonly (readonly [name: string, ...values: unknown[]])[] = [
  ["kind", "docker", 1, null],
  ["nodeVersion", 22, "22.x", "latest", "", "22.1.1.1", "v"],
  ["lockfile", "", " ", 1],
  ["image", "", 1],
  ["force", 1, "true", null],
  ["keepAlive", -1, 0.5, Infinity, Number.NaN, "10", 2_147_484],
  ["maxConcurrency", 0, 1.5, "2", Infinity],
  ["setupFunction", "setup", {}],
  ["requestTimeout", 0, -1, Infinity, "1"],
  ["startupTimeout", 0, Number.NaN],
  ["memoryLimitMb", 99, 164.5, "164"],
  ["machineType", "", [], [1], 5],
  ["numGpus", 0, 1.5],
  ["regions", "us-east", [""]],
  ["minConcurrency", -1],
  ["scalingDelay", 0.5],
  ["requestStartTimeout", -5],
  ["requestStartTimeout", 0.5],
  ["maxMultiplexing", 0],
  ["metadata", [], "x", { run: () => 1 }],
  ["privateLogs", 1],
  ["serve", "yes", 1],
  ["exposedPort", -1, 65_536, 80.5, "80"],
  ["metricsPort", -1, 65_536],
  ["input", "string", null, []],
  ["output", 5],
  ["stream", "no"],
];
for (const [name, ...values] of WRONG) {
  test(`invalid values of ${name} are rejected`, () => {
    for (const value of values) {
      assert.match(refusalOf({ [name]: value }), new RegExp(`^${name}\\S* must be .*; got .*\\.$`));
    }
  });
}

test("the limits of a range are included", () => {
  const config = { keepAlive: 0, requestTimeout: 0.001, memoryLimitMb: 100, maxConcurrency: 1 };
  assert.deepEqual({ ...parsed(config).host }, config);
  assert.equal(parsed({ exposedPort: 0 }).getExposedPort(), 0);
  assert.equal(parsed({ exposedPort: 65_535 }).getExposedPort(), 65_535);
});

test("a Node version may be incomplete, and a leading v is removed", () => {
  for (const [version, parsedVersion] of [
    ["22", "22"],
    ["22.11", "22.11"],
    ["22.11.0", "22.11.0"],
    ["v22.11.0", "22.11.0"],
  ]) {
    assert.equal(parsed({ nodeVersion: version }).environment.nodeVersion, parsedVersion);
  }
});

const WRONG_REQUIREMENTS: readonly (readonly [value: unknown, path: string])[] = [
  ["lodash", "requirements"],
  [[""], "requirements[0]"],
  [["a", 5], "requirements[1]"],
  [["a", "-g"], "requirements[1]"],
  [["--registry=http://x"], "requirements[0]"],
  [["a b"], "requirements[0]"],
  [["a\n"], "requirements[0]"],
  [["a\0"], "requirements[0]"],
  [["@scope"], "requirements[0]"],
  [[["a"], "b"], "requirements[1]"],
  [["b", ["a"]], "requirements[0]"],
  [[["a"], ["b", "-g"]], "requirements[1][1]"],
  [[[["a"]]], "requirements[0][0]"],
  [Array(1), "requirements[0]"],
];
for (const [value, path] of WRONG_REQUIREMENTS) {
  test(`requirements ${JSON.stringify(value)} are rejected at ${path}`, () => {
    assert.ok(refusalOf({ requirements: value }).startsWith(`${path} must be `));
  });
}

test("env is a list of names, or an object of names and texts", () => {
  assert.deepEqual(parsed({ env: ["HF_TOKEN", "_x1"] }).host.env, ["HF_TOKEN", "_x1"]);
  assert.deepEqual(parsed({ env: { MODE: "", A: "b=c" } }).host.env, { MODE: "", A: "b=c" });
  for (const env of ["HF_TOKEN", 5, ["A B"], ["A=b"], [""], ["1A"], { "A-B": "x" }, ["NODE_CHANNEL_FD"]]) {
    assert.match(refusalOf({ env }), /^env\S* must be /);
  }
});

test("the value of an environment variable never appears in a message", () => {
  for (const env of [
    ["TOKEN=s3cret"],
    { TOKEN: ["s3cret"] },
    { "TOKEN s3cret": "x" },
    "s3cret",
    { A: "s3cret\0" },
  ]) {
    assert.ok(!refusalOf({ env }).includes("s3cret"));
  }
  assert.match(refusalOf({ env: { TOKEN: 5 } }), /^env\.TOKEN must be a text; got a value of type number\.$/);
});

test("input, output and stream require a served function; ports do not", () => {
  for (const config of [{ input: {} }, { output: {} }, { stream: true }, { serve: false, input: {} }]) {
    assert.match(refusalOf(config), /is for functions that are served; add serve: true/);
  }
  assert.deepEqual(
    { ...parsed({ stream: false, exposedPort: 1, metricsPort: 2 }).gateway },
    {
      stream: false,
      exposedPort: 1,
      metricsPort: 2,
    },
  );
});

test("a served function cannot have setupFunction; the message suggests an App with setup()", () => {
  assert.match(
    refusalOf({ serve: true, setupFunction: () => 1 }),
    /class that extends App, with a setup\(\)/,
  );
});

test("exposedPort and metricsPort cannot be the same", () => {
  assert.match(refusalOf({ exposedPort: 80, metricsPort: 80 }), /both 80/);
  assert.match(refusalOf({ serve: true, exposedPort: 9090 }), /both 9090/);
  assert.match(refusalOf({ serve: true, metricsPort: 8080 }), /both 8080/);
  parsed({ serve: true, exposedPort: 0, metricsPort: 0 });
  parsed({ exposedPort: 9090 });
});

test("options must be an object", () => {
  for (const config of [undefined, null, [], "npm", 5]) {
    assert.match(refusalOf(config), /^Options are an object/);
  }
});

test("parsed options are independent of the caller's object", () => {
  const config = {
    requirements: [["a@1"], ["b@1"]],
    env: { A: "1" },
    machineType: ["x"],
    regions: ["r"],
    metadata: { deep: { list: [1] } },
  };
  const before = structuredClone(config);
  const options = parsed(config);
  config.requirements[0]?.push("evil");
  config.requirements.push(["evil"]);
  config.env.A = "2";
  config.machineType.push("y");
  config.regions.length = 0;
  config.metadata.deep.list.push(2);
  const { requirements, ...host } = before;
  assert.deepEqual(options.environment, { kind: "npm", requirements });
  assert.deepEqual({ ...options.host }, host);
});
