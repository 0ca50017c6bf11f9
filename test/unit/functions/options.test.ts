import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { serveRequirements } from "../../../src/functions/requirements.ts";
import { parsed } from "../../helpers/option-hosts.ts";

test("the exposed port is the given one, otherwise 8080 for a served function, otherwise undefined", () => {
  assert.equal(parsed({}).getExposedPort(), undefined);
  assert.equal(parsed({ serve: false }).getExposedPort(), undefined);
  assert.equal(parsed({ serve: true }).getExposedPort(), 8080);
  assert.equal(parsed({ serve: true, exposedPort: 0 }).getExposedPort(), 0);
  assert.equal(parsed({ exposedPort: 3000 }).getExposedPort(), 3000);
});

test("the metrics port is the given one, otherwise 9090 if a port is exposed, otherwise undefined", () => {
  assert.equal(parsed({}).getMetricsPort(), undefined);
  assert.equal(parsed({ metricsPort: 0 }).getMetricsPort(), 0);
  assert.equal(parsed({ serve: true }).getMetricsPort(), 9090);
  assert.equal(parsed({ exposedPort: 0 }).getMetricsPort(), 9090);
  assert.equal(parsed({ serve: true, metricsPort: 1 }).getMetricsPort(), 1);
});

test("added requirements come after the existing ones, whose versions are kept", () => {
  const options = parsed({ requirements: ["a@1", "@s/b@2"] });
  options.addRequirements(["c@3", "a@9", "@s/b", "c@4"]);
  assert.deepEqual(options.environment.requirements, ["a@1", "@s/b@2", "c@3"]);
});

test("steps are kept: added requirements go to the last step, unless a step already has them", () => {
  const options = parsed({ requirements: [["a@1"], ["b@1"]] });
  options.addRequirements([["a@2", "c@1"], ["d@1"]]);
  assert.deepEqual(options.environment.requirements, [["a@1"], ["b@1", "c@1", "d@1"]]);
});

test("requirements can be added to an empty list", () => {
  for (const [config, expected] of [
    [{}, ["a"]],
    [{ requirements: [] }, ["a"]],
    [{ requirements: [[]] }, [["a"]]],
  ] as const) {
    const options = parsed(config);
    options.addRequirements(["a"]);
    assert.deepEqual(options.environment.requirements, expected);
  }
});

test("adding requirements changes neither the caller's lists nor a copy", () => {
  const requirements = [["a@1"], ["b@1"]];
  const added = ["c@1"];
  const options = parsed({ requirements });
  const copy = options.copy();
  options.addRequirements(added);
  added.push("evil");
  assert.deepEqual(requirements, [["a@1"], ["b@1"]]);
  assert.deepEqual(copy.environment.requirements, [["a@1"], ["b@1"]]);
  assert.deepEqual(options.environment.requirements, [["a@1"], ["b@1", "c@1"]]);
  copy.addRequirements(["d@1"]);
  assert.deepEqual(options.environment.requirements, [["a@1"], ["b@1", "c@1"]]);
});

test("a served function requires the server's packages in the installed versions; its own versions take precedence", () => {
  const require = createRequire(import.meta.url);
  const { version } = require("fastify/package.json") as { version: string };
  assert.ok(serveRequirements().includes(`fastify@${version}`));
  assert.ok(serveRequirements().every((spec) => /^(?:@[\w-]+\/)?[\w-]+@\d+\.\d+\.\d+$/.test(spec)));
  const { requirements } = parsed({ serve: true, requirements: ["pino@9"] }).environment;
  const others = serveRequirements().filter((spec) => !spec.startsWith("pino@"));
  assert.deepEqual(requirements, ["pino@9", ...others]);
  assert.equal(parsed({ serve: false }).environment.requirements, undefined);
});

test("the list of the server's packages is a new array each time", () => {
  const first = serveRequirements();
  first.push("evil");
  assert.ok(!serveRequirements().includes("evil"));
});

test("parsing already parsed options gives the same result", () => {
  const first = parsed({ serve: true, requirements: [["a@1"]], keepAlive: 1, input: { type: "object" } });
  const again = parsed({ ...first.environment, ...first.host, ...first.gateway });
  assert.deepEqual(again.environment, first.environment);
  assert.deepEqual(again.host, first.host);
  assert.deepEqual(again.gateway, first.gateway);
});
