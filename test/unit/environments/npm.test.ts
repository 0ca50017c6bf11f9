import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, test } from "node:test";
import { findNpm, npmEnvironment } from "../../../src/environments/npm.ts";
import { installFailure } from "../../../src/environments/install-failure.ts";
import { createCacheFolder } from "../../helpers/environments.ts";

const NONE = { user: "", project: "" };

describe("npm", () => {
  test("is found beside Node, else as the npm that runs this process, else in PATH", () => {
    using folder = createCacheFolder();
    const writeNpm = (path: string): string => {
      mkdirSync(join(folder.path, path, "npm/bin"), { recursive: true });
      writeFileSync(join(folder.path, path, "npm/package.json"), '{"version":"1.2.3"}');
      writeFileSync(join(folder.path, path, "npm/bin/npm-cli.js"), "");
      return join(folder.path, path, "npm/bin/npm-cli.js");
    };
    const beside = writeNpm("node/lib/node_modules");
    const running = writeNpm("running");
    const node = join(folder.path, "node/bin/node");
    mkdirSync(join(folder.path, "node/bin"));
    assert.deepEqual(findNpm({}, node), { script: beside, version: "1.2.3" });
    const elsewhere = join(folder.path, "elsewhere/bin/node");
    assert.equal(findNpm({ npm_execpath: running, PATH: "" }, elsewhere).script, running);
    assert.ok(findNpm({ npm_execpath: "/x/pnpm.cjs", PATH: process.env["PATH"] }, elsewhere) !== undefined);
    assert.throws(() => findNpm({ PATH: "" }, elsewhere), {
      code: "ENVIRONMENT_FAILED",
      message: /^There is no npm beside \S+ and none in PATH\. Install it/,
    });
  });

  test("gets only the proxies, its own settings and the variables named in .npmrc", () => {
    const env = npmEnvironment(
      "/node/bin",
      { user: "//r/:_authToken=${TOKEN}", project: "x=${OTHER?}" },
      { EXTRA: "1" },
      {
        PATH: "/bin",
        HOME: "/h",
        https_proxy: "p",
        npm_config_registry: "r",
        npm_config_global: "true",
        npm_config_local_prefix: "/elsewhere",
        npm_package_name: "n",
        TOKEN: "t",
        OTHER: "o",
        AWS_SECRET_ACCESS_KEY: "s",
        NODE_OPTIONS: "--inspect",
      },
    );
    assert.deepEqual(env, {
      PATH: `/node/bin${delimiter}/bin`,
      HOME: "/h",
      https_proxy: "p",
      npm_config_registry: "r",
      TOKEN: "t",
      OTHER: "o",
      EXTRA: "1",
      npm_config_fetch_retry_mintimeout: "1000",
      npm_config_fetch_retry_maxtimeout: "4000",
    });
  });

  test("keeps the user's own timeouts and retries", () => {
    const env = npmEnvironment("/n", { ...NONE, user: "fetch-retry-mintimeout=7" }, {}, {});
    assert.equal(env["npm_config_fetch_retry_mintimeout"], undefined);
  });
});

describe("npm's failure", () => {
  const subject = { what: "a@1", directory: "/nowhere", registry: "https://r/" };
  const messageOf = (...lines: string[]): string =>
    installFailure(subject, { exitCode: 1, killedBy: null, lines }).message.replace(/^.*?: /, "");

  test("is recognised in the messages of older versions", () => {
    assert.match(
      messageOf("npm ERR! code ETARGET", "npm ERR! notarget No matching version found for a@1."),
      /^no version of a package fits a@1 in the registry https:\/\/r\//,
    );
  });

  test("names an untrusted certificate", () => {
    assert.match(
      messageOf("npm error code SELF_SIGNED_CERT_IN_CHAIN", "npm error request to https://r/a failed"),
      /^the certificate of the registry https:\/\/r\/ is not trusted \(SELF_SIGNED_CERT_IN_CHAIN\)\. .*NODE_EXTRA_CA_CERTS/,
    );
  });

  test("reports a full disk even if a package script failed because of it", () => {
    assert.match(
      messageOf(
        "npm error code 1",
        "npm error path /e/node_modules/@s/x",
        "npm error command failed",
        "npm error command sh -c node-gyp rebuild",
        "npm error write error: No space left on device",
      ),
      /^the disk is full \(ENOSPC\) in \/nowhere\. Make room/,
    );
  });

  test("names the scoped package whose script failed, and the last of its output lines", () => {
    const output = Array.from({ length: 20 }, (_, index) => `npm error line ${index}`);
    const message = messageOf(
      ...["npm error code 1", "npm error path /e/node_modules/@s/x", "npm error command failed"],
      ...["npm error command sh -c node-gyp rebuild", ...output],
    );
    assert.match(
      message,
      /^the install script of @s\/x failed: node-gyp rebuild\n {2}line 14\n[^]* {2}line 19$/,
    );
  });

  test("of an unknown kind is reported in npm's last lines", () => {
    assert.equal(
      messageOf(
        "npm error code EWEIRD",
        "npm error something odd",
        "npm error A complete log of this run can be found in: /l",
      ),
      "npm ended with exit code 1 (EWEIRD).\n  something odd",
    );
  });
});
