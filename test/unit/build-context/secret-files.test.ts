import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { collectContext, secretsNotice } from "../../../src/build-context/context-entries.ts";
import { ContainerImage } from "../../../src/packaging/container-image.ts";
import { collectFiles } from "../../../src/build-context/collected-files.ts";
import { IgnoreRules } from "../../../src/build-context/ignore-rules.ts";
import { secretParts } from "../../../src/build-context/secret-files.ts";
import { createFolder } from "../../helpers/folders.ts";

const SECRETS = [
  ...[".env", ".env.local", ".env.production", ".env.production.local", ".env-staging", "prod.env", ".envrc"],
  ...[
    ".dev.vars",
    ".secrets/token",
    "secrets.yaml",
    ".npmrc",
    ".yarnrc.yml",
    ".pypirc",
    "pip.conf",
    ".netrc",
  ],
  ...["_netrc", ".git-credentials", ".gitconfig", ".git/config", ".dockercfg", ".docker/config.json"],
  ...[".kube/config", "kubeconfig", ".aws/credentials", ".aws/config", ".ssh/known_hosts", ".gnupg/x"],
  ...[".config/gcloud/credentials.db", ".config/gh/hosts.yml", ".cargo/credentials.toml", ".m2/settings.xml"],
  ...[".cache/huggingface/token", ".pgpass", ".my.cnf", ".htpasswd", ".s3cfg", ".boto", ".vault-token"],
  ...["terraform.tfstate", "terraform.tfstate.backup", "prod.tfvars", ".terraform/x", ".fal/config.toml"],
  ...[
    "server.pem",
    "server.key",
    "id_rsa",
    "id_ed25519",
    "id_ecdsa_sk",
    "deploy_rsa",
    "cert.p12",
    "cert.pfx",
  ],
  ...["AuthKey.p8", "release.keystore", "x.jks", "vault.kdbx", "putty.ppk", "ssh_host_rsa_key", "vpn.ovpn"],
  ...["service-account.json", "my-serviceAccountKey.json", "x-firebase-adminsdk-1.json", "credentials.json"],
  ...[
    ".npmrc.bak",
    ".netrc~",
    "server.key.old",
    ".bash_history",
    ".modal.toml",
    ".azure/x",
    ".password-store/x",
  ],
];
const OTHERS = [
  ...[".env.example", ".env.sample", ".env.template", ".env.dist", ".env.local.example", "example.env"],
  ...["id_rsa.pub", "id_ed25519.pub", "env.ts", "environment", "src/env/index.ts", ".envoy.yaml", "dotenv"],
  ...[".gitignore", ".github/workflows/ci.yml", ".docker/Dockerfile", ".config/app.json", "npmrc", "keys.ts"],
  ...[
    "monkey",
    "key.ts",
    "pem.ts",
    "keyboard.json",
    "credentials.ts",
    "secrets.ts",
    "aws/index.ts",
    "ssh.ts",
  ],
  ...["node_modules/grpc/etc/roots.pem", "lib/site-packages/certifi/cacert.pem", "app.ts", "data/model.bin"],
];

const guard = (...lines: readonly string[]): IgnoreRules => new IgnoreRules(lines, { guardsSecrets: true });

describe("a secret", () => {
  for (const prefix of ["", "deep/er/"]) {
    test(`is recognised by its name${prefix === "" ? "" : ", in any folder"}, in any letter case`, () => {
      for (const path of SECRETS) {
        for (const each of [path, path.toUpperCase()]) {
          const rules = guard("*.md");
          assert.ok(rules.ignores(`${prefix}${each}`), `${prefix}${each}`);
          assert.ok(rules.guardsAlone(`${prefix}${each}`), `${prefix}${each}`);
        }
      }
      for (const path of OTHERS) assert.ok(!guard().ignores(`${prefix}${path}`), `${prefix}${path}`);
    });
  }

  test("is included again by an exception that names it, at any position in the list", () => {
    for (const [line, path] of [
      ["!.npmrc", ".npmrc"],
      ["!.npmrc", "packages/a/.npmrc"],
      ["!/.env", ".env"],
      ["!.env*", "src/.env.local"],
      ["!*.pem", "certs/ca.pem"],
      ["!certs/*.pem", "certs/ca.pem"],
      ["!**/certs/*.pem", "a/certs/ca.pem"],
      ["!.aws", ".aws/config"],
      ["!.aws/", ".aws/config"],
      ["!.aws/config", ".aws/config"],
      ["!.aws/**", ".aws/config"],
      ["!.ssh", ".ssh/id_rsa"],
      ["!.docker/config.json", ".docker/config.json"],
      ["!.git", ".git/HEAD"],
      ["!src/.env", "src/.env"],
    ] as const) {
      for (const lines of [[line], [line, "*.md"], ["# secrets", line]]) {
        assert.ok(!guard(...lines).ignores(path), `${line} ${path}`);
      }
      assert.ok(guard(line, path).ignores(path), "a later line leaves it out again");
      assert.ok(!guard(line, path).guardsAlone(path));
    }
  });

  test("is not included again by an exception that matches it only by a wildcard", () => {
    for (const [line, path] of [
      ["!src", "src/.env"],
      ["!src/**", "src/.env"],
      ["!**", ".npmrc"],
      ["!*", ".npmrc"],
      ["!.*", ".npmrc"],
      ["!**/*", "a/b/.netrc"],
      ["!?????", ".aws"],
      ["!/config/*", "config/server.key"],
      ["!.env", ".env.local"],
      ["!/.env", "src/.env"],
      ["!.aws/config", ".aws/credentials"],
      ["!certs", "certs/server.pem"],
    ] as const) {
      assert.ok(guard("*", line).ignores(path), `${line} ${path}`);
      assert.ok(guard(line).guardsAlone(path), `${line} ${path}`);
    }
  });

  test("stays excluded by any rules that do not name it, and any path can be checked", () => {
    const line = fc.stringMatching(/^!?[jkz*?/]{1,8}$/); // letters that do not occur in these names
    fc.assert(
      fc.property(fc.array(line), fc.constantFrom(".env", "a/.npmrc", "b/.aws/x"), (lines, path) => {
        assert.ok(guard(...lines).ignores(path));
      }),
    );
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (path) => void secretParts(path)));
  });
});

describe("secrets of a context", () => {
  const FILES = {
    "app.ts": "",
    ".npmrc": "secret",
    ".env.example": "",
    "src/.env.local": "secret",
    "src/index.ts": "",
    ".aws/credentials": "secret",
    "certs/server.key": "secret",
    "certs/server.crt": "",
  };

  async function built(
    files: Readonly<Record<string, string>>,
    sources: readonly string[] = ["."],
    ignore?: IgnoreRules,
  ): Promise<{ paths: readonly string[]; secrets: readonly string[] }> {
    const directory = createFolder(files);
    const secrets: string[] = [];
    const entries = await collectContext({
      directory,
      sources,
      ignore: ignore ?? IgnoreRules.of(directory),
      onSecret: (path) => secrets.push(path),
    });
    const paths = entries.filter(({ kind }) => kind !== "folder").map(({ path }) => path);
    return { paths, secrets };
  }

  test("are excluded even if .dockerignore does not name them, and are reported", async () => {
    const { paths, secrets } = await built({ ...FILES, ".dockerignore": "*.md\n" });
    assert.deepEqual(paths, [".dockerignore", ".env.example", "app.ts", "certs/server.crt", "src/index.ts"]);
    assert.deepEqual(secrets, [".aws/", ".npmrc", "certs/server.key", "src/.env.local"]);
  });

  test("are excluded from uploads just as from builds", async () => {
    const contextDirectory = createFolder({ ...FILES, ".dockerignore": "*\n!src\n!certs/**\n!app.ts\n" });
    const image = ContainerImage.fromDockerfileString("FROM a\nCOPY . .", { contextDirectory });
    const warnings: string[] = [];
    const sent = await image.collectFiles({ onWarning: (message) => warnings.push(message) });
    assert.deepEqual(
      sent.map(({ relativePath }) => relativePath),
      ["app.ts", "certs/server.crt", "src/index.ts"],
    );
    assert.match(warnings.shift() ?? "", /: certs\/server\.key, src\/\.env\.local\. A line/);
    const open = ContainerImage.fromDockerfileString("FROM a\nCOPY . .", { contextDirectory, ignore: [] });
    const all = await open.collectFiles({ onWarning: (message) => warnings.push(message) });
    assert.ok(all.every(({ relativePath }) => secretParts(relativePath).length === 0));
    assert.match(
      warnings[0] ?? "",
      /^Excluded because they may contain secrets: \.aws\/, \.npmrc, certs.*"!\.aws\/"/,
    );
    const direct = await collectFiles({ context: contextDirectory });
    assert.deepEqual(
      direct.map(({ relativePath }) => relativePath),
      ["app.ts", "certs/server.crt", "src/index.ts"],
    );
  });

  test("are included by an exception in .dockerignore or in the list that names them", async () => {
    const named = { ...FILES, ".dockerignore": "!.npmrc\n!.aws/credentials\n" };
    assert.deepEqual((await built(named)).secrets, ["certs/server.key", "src/.env.local"]);
    const contextDirectory = createFolder(FILES);
    const image = ContainerImage.fromDockerfileString("FROM a\nCOPY .npmrc src ./", {
      contextDirectory,
      ignore: ["!.npmrc", "!.env*"],
    });
    assert.deepEqual(
      (await image.collectFiles()).map(({ relativePath }) => relativePath),
      [".npmrc", "src/.env.local", "src/index.ts"],
    );
  });

  test("are an error if the Dockerfile names them; the message says how to include them", async () => {
    for (const [source, path] of [
      [".npmrc", ".npmrc"],
      [".npmrc*", ".npmrc"],
      ["src/.env.local", "src/.env.local"],
      [".aws", ".aws"],
      [".aws/credentials", ".aws/credentials"],
      ["certs/*.key", "certs/server.key"],
    ] as const) {
      await assert.rejects(built(FILES, [source], guard()), (error: Error) => {
        assert.ok(
          error.message.includes(`copies "${source}", which is excluded because it may contain secrets`),
        );
        assert.ok(error.message.includes(`add "!${path}`), error.message);
        assert.match(error.message, /--mount=type=secret.*\.dockerignore/);
        return true;
      });
      const { paths } = await built(FILES, [source], guard(`!${path}`));
      assert.ok(paths.length > 0);
    }
  });

  test("cannot be included through links", { skip: process.platform === "win32" }, async () => {
    const contextDirectory = createFolder(FILES);
    for (const [path, target] of [
      ["settings", ".npmrc"],
      ["cloud", ".aws"],
      ["certs/harmless.txt", "server.key"],
      ["src/up", "../.aws/credentials"],
    ] as const)
      symlinkSync(target, join(contextDirectory, path));
    for (const dockerfile of ["COPY . .", "COPY cloud certs src ./"]) {
      const image = ContainerImage.fromDockerfileString(`FROM a\n${dockerfile}`, {
        contextDirectory,
        ignore: [],
      });
      for (const { absolutePath } of await image.collectFiles()) {
        assert.deepEqual(secretParts(absolutePath.slice(contextDirectory.length)), []);
      }
    }
    for (const source of ["settings", "cloud"]) {
      await assert.rejects(
        collectContext({
          directory: contextDirectory,
          sources: [source],
          ignore: guard(),
          followsSources: true,
        }),
        /may contain secrets/,
      );
    }
  });

  test("are reported in one line, however many there are", () => {
    assert.equal(secretsNotice([]), undefined);
    const many = Array.from({ length: 30 }, (_, index) => `${index}.key`);
    assert.match(secretsNotice(many) ?? "", /^[^\n]*9\.key and 20 more\. A line such as "!0\.key"/);
  });

  test("inside node_modules are excluded, but certificates there are included as data", async () => {
    const directory = createFolder({ "node_modules/a/roots.pem": "", "node_modules/a/.env": "" });
    mkdirSync(join(directory, "keys"));
    writeFileSync(join(directory, "keys/roots.pem"), "");
    const entries = await collectContext({ directory, sources: ["."], ignore: guard() });
    const paths = entries.filter(({ kind }) => kind === "file").map(({ path }) => path);
    assert.deepEqual(paths, ["node_modules/a/roots.pem"]);
  });
});
