import assert from "node:assert/strict";
import { test } from "node:test";
import { endpoint } from "../../../src/routes/endpoint.ts";
import { App } from "../../../src/servable/app.ts";
import { serverSettings } from "../../../src/servable/settings.ts";
import { BaseServable } from "../../../src/servable/base-servable.ts";
import { resolveServerOptions, type ServerOptions } from "../../../src/server/definition.ts";
import { resolveServeOptions, type ServeOptions } from "../../../src/server/lifecycle/serve.ts";
import { settingOf, settingsOf } from "../../../src/settings/settings.ts";
import { SETTING_VALUES } from "../../helpers/setting-values.ts";
import { silentLogger } from "../../helpers/silent-logger.ts";
import { assertRefused } from "../../helpers/thrown.ts";

class Plain extends App {
  @endpoint("/")
  run(): void {}
}

/** The options of a server, which have values to try. */
const OF_SERVERS = settingsOf("serve");
const logger = silentLogger();

test("every option of a server has values to try", () => {
  for (const name of OF_SERVERS) assert.ok(SETTING_VALUES[name] !== undefined, name);
});

for (const name of OF_SERVERS) {
  test(`the option ${name} accepts valid values and refuses others by name`, () => {
    const [right, wrong] = SETTING_VALUES[name] ?? [[], []];
    const isOfServers = settingOf(name)?.sources.includes("server");
    const resolve = (value: unknown): unknown =>
      isOfServers ? resolveServerOptions({ [name]: value }) : resolveServeOptions({}, { [name]: value });
    for (const value of [undefined, ...right]) resolve(value);
    // A server can be built with each of them; the files of a certificate have tests of their own.
    if (isOfServers && name !== "https") {
      for (const value of right) new Plain().buildServer({ [name]: value, logger });
    }
    for (const value of wrong) {
      assertRefused(
        () => resolve(value),
        "SETTING_INVALID",
        new RegExp(`^${name}\\S* must be .+, got .*\\.$`, "s"),
      );
    }
  });
}

test("buildServer() and serve() refuse unknown options, with what to write instead", async () => {
  const refused: readonly (readonly [option: string, value: unknown, advice: RegExp])[] = [
    ["bodyLimitByte", 5, /did you mean "bodyLimitBytes"\?/],
    ["allowed_hosts", [], /did you mean "allowedHosts"\?/],
    ["Cors", {}, /did you mean "cors"\?/],
    ["corsOrigins", ["https://a.example"], /write cors: \{ origins, credentials \}/],
    ["maxConcurrency", 5, /write maxMultiplexing/],
    ["stuckGraceMs", 5, /write stuckGracePeriodSeconds/],
    ["keepAlive", 5, /write it as a static of the class/],
    ["whatever", 5, /is not an option of \S+\(\)\. See the table of server options/],
  ];
  for (const [option, value, advice] of refused) {
    const options = { [option]: value };
    assertRefused(() => new Plain().buildServer(options), "SETTING_UNKNOWN", advice);
    await assert.rejects(new Plain().serve({ ...options, handleSignals: false, logger }), (error: Error) => {
      assert.match(error.message, advice);
      assert.match(error.message, new RegExp(`^${option} is not an option of serve\\(\\)`));
      return true;
    });
  }
  assertRefused(
    () => new Plain().buildServer({ port: 5 } as ServerOptions),
    "SETTING_UNKNOWN",
    /it is one of serve\(\)/,
  );
  new Plain().buildServer({ bodyLimitByte: undefined } as ServerOptions); // the same as nothing
});

test("the option takes precedence over the variable, the variable over the static, the static over the default", () => {
  class Set extends App {
    static override bodyLimitBytes = 1_000;
    static override allowedHosts = ["static.example"];
    static override metricsHost = "127.0.0.2";
    static override metricsPort = 9_001;

    @endpoint("/")
    run(): void {}
  }
  const settings = serverSettings(Set);
  const variables = {
    METRICS_HOST: "127.0.0.3",
    METRICS_PORT: "9002",
    SERVABLE_ALLOWED_HOSTS: "variable.example",
  };
  const hostsAnd = (options: ServerOptions, serveOptions: ServeOptions): unknown => {
    const { bodyLimitBytes, allowedHosts } = resolveServerOptions(options, settings);
    return { bodyLimitBytes, allowedHosts, metrics: resolveServeOptions(settings, serveOptions).metrics };
  };
  const given = [
    { bodyLimitBytes: 2_000, allowedHosts: ["option.example"] },
    { metricsHost: "127.0.0.4", metricsPort: 9_003 },
  ] as const;
  assert.deepEqual(hostsAnd({}, {}), {
    bodyLimitBytes: 1_000,
    allowedHosts: ["static.example"],
    metrics: { host: "127.0.0.2", port: 9_001 },
  });
  withVariables(variables, () => {
    assert.deepEqual(hostsAnd({}, {}), {
      bodyLimitBytes: 1_000,
      allowedHosts: ["variable.example"],
      metrics: { host: "127.0.0.3", port: 9_002 },
    });
    assert.deepEqual(hostsAnd(...given), {
      bodyLimitBytes: 2_000,
      allowedHosts: ["option.example"],
      metrics: { host: "127.0.0.4", port: 9_003 },
    });
  });
  const { metrics } = resolveServeOptions({}, {});
  assert.deepEqual(metrics, { host: "127.0.0.1", port: 9_090 });
  assert.equal(resolveServerOptions({}, {}).bodyLimitBytes, 52_428_800);
});

test("the statics of a BaseServable are options of its server, and checked", () => {
  class Small extends BaseServable {
    static bodyLimitBytes = 1_000;
  }
  assert.deepEqual(serverSettings(Small), { bodyLimitBytes: 1_000 });
  class Wrong extends BaseServable {
    static cors = "*";
  }
  assertRefused(() => new Wrong(), "SETTING_INVALID", /^Wrong\.cors must be an object/);
  class Misspelt extends BaseServable {
    static allowed_hosts = [];
  }
  assertRefused(() => new Misspelt(), "SETTING_UNKNOWN", /did you mean "allowedHosts"\?$/);
  class Own extends BaseServable {
    static region = "a setting of an App, and none here";
    static keepAlive = 5;
  }
  assert.deepEqual(serverSettings(Own), {});
  new Own().teardown();
});

test("a unix socket and a port can't both be set, and a variable for the port does not count", () => {
  const refuse = (options: ServeOptions): void =>
    assertRefused(
      () => resolveServeOptions({}, options),
      "SETTING_INVALID",
      /^unixSocket and (?:host|port) can't both be set/,
    );
  refuse({ unixSocket: "/a", port: 0 });
  refuse({ unixSocket: "/a", host: "::1" });
  withVariables({ PORT: "8081", HOST: "::1" }, () => {
    assert.deepEqual(resolveServeOptions({}, { unixSocket: "/a" }).address, { path: "/a" });
    assert.deepEqual(resolveServeOptions({}, {}).address, { host: "::1", port: 8081 });
    assert.deepEqual(resolveServeOptions({}, { port: 1, host: "::2" }).address, { host: "::2", port: 1 });
  });
});

test("neither a key's file nor its password is part of a message", () => {
  for (const https of [
    { key: "-----BEGIN SECRET", certificate: "c" },
    { key: 5, certificate: "SECRET", passphrase: ["SECRET"] },
  ]) {
    const options = { https } as unknown as ServerOptions;
    assertRefused(() => new Plain().buildServer(options), "SETTING_INVALID", /^(?!.*SECRET)https/);
  }
  const options = { auth: "SECRET" } as unknown as ServerOptions;
  assertRefused(() => new Plain().buildServer(options), "SETTING_INVALID", /^(?!.*SECRET)auth/);
});

function withVariables(variables: Readonly<Record<string, string>>, run: () => void): void {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    run();
  } finally {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}
