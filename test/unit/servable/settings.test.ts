import assert from "node:assert/strict";
import { test } from "node:test";
import { bearerTokens } from "../../../src/server/auth/bearer-tokens.ts";
import { jwt } from "../../../src/server/auth/jwt.ts";
import { assertSettings, CLASS_SETTINGS } from "../../../src/servable/settings.ts";
import { ContainerImage } from "../../../src/packaging/container-image.ts";
import { App } from "../../../src/servable/app.ts";
import { assertRefused } from "../../helpers/thrown.ts";

/** Creates an app class with these static settings, and an instance of it. */
function use(statics: Readonly<Record<string, unknown>>, Parent: typeof App = App): typeof App {
  class Served extends Parent {}
  for (const [name, value] of Object.entries(statics)) {
    Object.defineProperty(Served, name, { value, enumerable: true, writable: true, configurable: true });
  }
  new Served().teardown();
  return Served;
}

const SECONDS = [0.5, 1, 3600, 2_147_483];
const NO_SECONDS = [0, -1, NaN, Infinity, "5", null, 2_147_484];
const NO_COUNT = [-1, 1.5, NaN, Infinity, "1", null, true];
const TEXTS = [[], ["a"], ["a", "b"]];
const NO_TEXTS = ["a", [""], [5], null, {}];

const VALUES: Readonly<Record<string, readonly [right: readonly unknown[], wrong: readonly unknown[]]>> = {
  version: [["1.2.0"], ["", 1, null]],
  appName: [
    ["a", "text-to-image", "GPT4", "a_b", "4"],
    ["", "-a", "a-", "a--b", "a b", "a/b", "ä", 5, null],
  ],
  auth: [
    [
      bearerTokens(["k"]),
      jwt({ issuer: "i", audience: "a", jwks: "https://keys.example/" }),
      {
        authenticate: () => 1,
        challenge: "Basic",
        securitySchemes: { basic: { type: "http", scheme: "basic" } },
      },
    ],
    [
      "secret",
      null,
      () => true,
      {},
      { authenticate: true },
      { authenticate() {}, challenge: "a\r\nb: c" },
      { authenticate() {}, securitySchemes: { a: {} } },
      { authenticate() {}, prepare: true },
    ],
  ],
  appAuth: [
    ["private", "public", "shared"],
    ["Public", "secret", "", null],
  ],
  machineType: [
    ["GPU-A100", ["A", "B"]],
    ["", [""], 5, null],
  ],
  numGpus: [
    [1, 8],
    [0, ...NO_COUNT],
  ],
  regions: [TEXTS, NO_TEXTS],
  keepAlive: [[0, 300], NO_COUNT],
  minConcurrency: [[0, 5], NO_COUNT],
  maxConcurrency: [
    [1, 5],
    [0, ...NO_COUNT],
  ],
  concurrencyBuffer: [[0, 5], NO_COUNT],
  concurrencyBufferPerc: [[0, 50, 200], NO_COUNT],
  scalingDelay: [[0, 5], NO_COUNT],
  requestStartTimeout: [
    [0, 5, 86_400],
    [...NO_COUNT, 2 ** 31],
  ],
  maxMultiplexing: [
    [1, 5],
    [0, ...NO_COUNT],
  ],
  overloadStatus: [
    [429, 503],
    [500, "429", null],
  ],
  workers: [
    [1, 4, { count: 2 }, { devices: ["0", "1"] }, { count: 4, devices: ["0"], deviceVariable: "DEVICE" }],
    [0, 1.5, "2", null, {}, { count: 0 }, { devices: [1] }, { count: 1, deviceVariable: "a b" }, { size: 2 }],
  ],
  requestTimeout: [SECONDS, NO_SECONDS],
  startupTimeout: [SECONDS, NO_SECONDS],
  terminationGracePeriodSeconds: [
    [0, 30, 2_147_483],
    [2_147_484, ...NO_COUNT],
  ],
  stuckGracePeriodSeconds: [SECONDS, NO_SECONDS],
  metricsPort: [
    [0, 9090, 65_535],
    [65_536, ...NO_COUNT],
  ],
  exposedPort: [
    [1, 8080, 65_535],
    [0, 65_536, ...NO_COUNT],
  ],
  secrets: [TEXTS, NO_TEXTS],
  dataMounts: [TEXTS, NO_TEXTS],
  retryConfig: [
    [{ timeout: { retries: 0 } }, { server_error: { retries: 2 }, connection_error: { retries: 1 } }],
    [
      {},
      [],
      null,
      { timeout: 2 },
      { timeout: { retries: 1.5 } },
      { timeout: { retries: -1 } },
      { other: { retries: 1 } },
    ],
  ],
  skipRetryConditions: [
    [[], ["timeout", "server_error"]],
    ["timeout", ["other"], null],
  ],
  image: [
    [ContainerImage.fromDockerfileString("FROM node"), ContainerImage.fromImage("node:22")],
    ["node", [], null, { dockerfile: "FROM node" }],
  ],
  appFiles: [TEXTS, NO_TEXTS],
  appFilesIgnore: [TEXTS, NO_TEXTS],
  privateLogs: [
    [true, false],
    [1, "yes", null],
  ],
};

test("every setting is tested here, and declared by App", () => {
  assert.deepEqual(Object.keys(VALUES).sort(), [...CLASS_SETTINGS].sort());
  for (const name of Object.keys(VALUES)) assert.ok(name in App, name);
});

for (const [name, [right, wrong]] of Object.entries(VALUES)) {
  test(`${name} accepts valid values and rejects others`, () => {
    for (const value of [undefined, ...right]) use({ [name]: value });
    for (const value of wrong) {
      assertRefused(
        () => use({ [name]: value }),
        "SETTING_INVALID",
        new RegExp(`^Served\\.${name}\\S* must be .+, got .+\\.$`, "s"),
      );
    }
  });
}

test("messages name the expected and the actual value", () => {
  const messages: readonly (readonly [statics: Record<string, unknown>, message: string])[] = [
    [{ keepAlive: -1 }, "Served.keepAlive must be a whole number from 0 to 2147483, got -1."],
    [{ keepAlive: 0.5 }, "Served.keepAlive must be a whole number from 0 to 2147483, got 0.5."],
    [{ metricsPort: 70_000 }, "Served.metricsPort must be a whole number from 0 to 65535, got 70000."],
    [{ appAuth: "x" }, 'Served.appAuth must be one of "private", "public", "shared", got "x".'],
    [{ secrets: "TOKEN" }, 'Served.secrets must be a list of texts, such as ["HF_TOKEN"], got "TOKEN".'],
    [{ secrets: ["A", ""] }, 'Served.secrets[1] must be a text, such as "HF_TOKEN", got "".'],
    [{ privateLogs: 1n }, "Served.privateLogs must be true or false, got 1."],
  ];
  for (const [statics, message] of messages) assertRefused(() => use(statics), "SETTING_INVALID", message);
});

test("a misspelt setting is rejected, with a suggestion", () => {
  const meant: Readonly<Record<string, string>> = {
    minConcurency: "minConcurrency",
    keepalive: "keepAlive",
    KeepAlive: "keepAlive",
    machine_type: "machineType",
    num_gpus: "numGpus",
    termination_grace_period_seconds: "terminationGracePeriodSeconds",
    secret: "secrets",
    region: "regions",
    keepAlve: "keepAlive",
    keepAliev: "keepAlive",
    kepAlive: "keepAlive",
    Image: "image",
    imgae: "image",
    numGPU: "numGpus",
    MIN_CONCURRENCY: "minConcurrency",
    appname: "appName",
  };
  for (const [name, setting] of Object.entries(meant)) {
    assertRefused(
      () => use({ [name]: 1 }),
      "SETTING_UNKNOWN",
      `Served.${name} is not a setting; did you mean "${setting}"?`,
    );
  }
});

test("options of the server are refused as statics, in any letter case, with the place where they belong", () => {
  const given = {
    cors: { origins: ["https://a.example"] },
    corsOrigins: [],
    allowed_hosts: ["a"],
    bodyLimit: 1,
  };
  const option = {
    cors: "corsOrigins",
    corsOrigins: "corsOrigins",
    allowed_hosts: "allowedHosts",
    bodyLimit: "bodyLimitBytes",
  };
  for (const name of Object.keys(given) as (keyof typeof given)[]) {
    use({ [name]: undefined });
    assertRefused(
      () => use({ [name]: given[name] }),
      "SETTING_UNKNOWN",
      new RegExp(`^Served\\.${name} is not a setting of a class: give ${option[name]} to serve\\(\\)`),
    );
  }
});

test("a removed setting that is still set is rejected with the reason", () => {
  const former: Readonly<Record<string, [value: unknown, reason: RegExp]>> = {
    requirements: [["a@1"], /packages are those of the app's package\.json/],
    localModules: [["a"], /modules that the app imports are always included/],
    hostOptions: [{}, /it has no effect; remove it/],
    appFilesContextDir: ["..", /appFiles are relative to the app's own folder/],
    local_modules: [[], /modules that the app imports/],
  };
  for (const [name, [value, reason]] of Object.entries(former)) {
    use({ [name]: undefined });
    assertRefused(
      () => use({ [name]: value }),
      "SETTING_UNKNOWN",
      new RegExp(`^Served\\.${name} is not a setting any more: .*${reason.source}`),
    );
  }
  class Computed extends App {
    static get requirements(): string[] {
      return ["a@1"];
    }
  }
  assertRefused(() => new Computed(), "SETTING_UNKNOWN", /^Computed\.requirements is not a setting/);
});

test("a setting spelled as in fal's Python SDK is rejected, with the name to use", () => {
  for (const name of CLASS_SETTINGS) {
    const original = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (original !== name)
      assertRefused(() => use({ [original]: 1 }), "SETTING_UNKNOWN", new RegExp(`"${name}"`));
  }
});

test("the user's own static members are ignored", () => {
  const own = {
    MODEL: "x",
    weights: [1],
    cache: new Map(),
    toString: () => "mine",
    defaultPrompt: undefined,
    images: ["a.png"],
    imageUrl: "a",
    version2: 2,
    versions: [],
    secretsByName: {},
    appNames: [],
    keepAliveInterval: 5,
    legend: 1,
    runtime: 5,
    timeout: 5,
  };
  const Served = use(own);
  for (const [name, value] of Object.entries(own)) {
    assert.equal((Served as unknown as Record<string, unknown>)[name], value);
  }
  class WithMethods extends App {
    static readonly #secret = 5;
    static create(): number {
      return WithMethods.#secret;
    }
  }
  new WithMethods().teardown();
  class Resembling extends App {
    static region(): string {
      return "a method";
    }
    static secret = (): string => "a function";
    static get keepalive(): number {
      throw new Error("nobody asked");
    }
    static set machine_type(_value: unknown) {}
  }
  new Resembling().teardown();
});

test("a setting may be a getter, but not a method", () => {
  class Computed extends App {
    static override get keepAlive(): number {
      return -1;
    }
  }
  assertRefused(
    () => new Computed(),
    "SETTING_INVALID",
    "Computed.keepAlive must be a whole number from 0 to 2147483, got -1.",
  );
  assertRefused(
    () => use({ regions: () => ["eu"] }),
    "SETTING_INVALID",
    /^Served\.regions must be a list of texts/,
  );
});

test("an inherited setting is checked as well, under the name of the class in use", () => {
  class Parent extends App {
    static override keepAlive = -1;
  }
  assertRefused(() => use({}, Parent), "SETTING_INVALID", /^Served\.keepAlive/);
  assertSettings(App, App);
});

test("a maximum number of runners below the minimum is rejected", () => {
  use({ minConcurrency: 2, maxConcurrency: 2 });
  assertRefused(
    () => use({ minConcurrency: 3, maxConcurrency: 2 }),
    "SETTING_INVALID",
    "Served.minConcurrency (3) is above maxConcurrency (2).",
  );
});
