import assert from "node:assert/strict";
import { test } from "node:test";
import { bearerTokens } from "../../../src/server/auth/bearer-tokens.ts";
import { ContainerImage } from "../../../src/packaging/container-image.ts";
import { assertSettings, CLASS_SETTINGS } from "../../../src/servable/settings.ts";
import { settingOf } from "../../../src/settings/settings.ts";
import { App } from "../../../src/servable/app.ts";
import { SETTING_VALUES } from "../../helpers/setting-values.ts";
import { assertRefused } from "../../helpers/thrown.ts";

const OF_CLASSES = Object.fromEntries(
  Object.entries(SETTING_VALUES).filter(([name]) => settingOf(name)?.sources.includes("class")),
);

/** Creates an app class with these static settings, and an instance of it. */
function use(statics: Readonly<Record<string, unknown>>, Parent: typeof App = App): typeof App {
  class Served extends Parent {}
  for (const [name, value] of Object.entries(statics)) {
    Object.defineProperty(Served, name, { value, enumerable: true, writable: true, configurable: true });
  }
  new Served().teardown();
  return Served;
}

test("every setting is tested here, and declared by App", () => {
  assert.deepEqual(Object.keys(OF_CLASSES).sort(), [...CLASS_SETTINGS].sort());
  for (const name of Object.keys(OF_CLASSES)) assert.ok(name in App, name);
});

for (const [name, [right, wrong]] of Object.entries(OF_CLASSES)) {
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

test("a static one letter away from a short setting is refused only if its value fits the setting", () => {
  const cors = { origins: ["https://a.example"] };
  const refused: readonly (readonly [name: string, value: unknown, setting: string])[] = [
    ["cros", cors, "cors"],
    ["Cors", "mine", "cors"],
    ["auht", bearerTokens(["k"]), "auth"],
    ["oauth", "x", "auth"],
    ["doc", false, "docs"],
    ["http", { key: "k", certificate: "c" }, "https"],
    ["imgae", ContainerImage.fromImage("node:22"), "image"],
  ];
  for (const [name, value, setting] of refused) {
    assertRefused(
      () => use({ [name]: value }),
      "SETTING_UNKNOWN",
      `Served.${name} is not a setting; did you mean "${setting}"?`,
    );
  }
  use({
    dogs: ["rex"],
    http: { get: () => 1 },
    cars: 5,
    imgae: "a.png",
    doc: "text",
  });
});

test("a removed setting that is still set is rejected with the reason", () => {
  const former: Readonly<Record<string, [value: unknown, reason: RegExp]>> = {
    requirements: [["a@1"], /packages are those of the app's package\.json/],
    localModules: [["a"], /modules that the app imports are always included/],
    hostOptions: [{}, /it has no effect; remove it/],
    appFilesContextDir: ["..", /appFiles are relative to the app's own folder/],
    local_modules: [[], /modules that the app imports/],
    corsOrigins: [["https://a.example"], /write static cors = \{ origins, credentials \}/],
    body_limit: [1, /write static bodyLimitBytes/],
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
