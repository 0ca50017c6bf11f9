import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { copySources } from "../../../src/build-context/copy-sources.ts";
import { parseDockerfile } from "../../../src/build-context/dockerfile.ts";
import { readAssignments } from "../../../src/build-context/dockerfile-words.ts";
import {
  generateDockerfile,
  OPENAPI_LABEL,
  type ImageApp,
} from "../../../src/packaging/generated-dockerfile.ts";
import type { Project } from "../../../src/packaging/project.ts";

const APP: ImageApp = {
  name: "greeter",
  className: "Greeter",
  version: "1.2.3",
  openapi: { openapi: "3.1.0" },
  health: { method: "GET", path: "/health", timeoutSeconds: 5, startPeriodSeconds: 600, failureThreshold: 3 },
  port: 8080,
};
const PROJECT: Project = {
  directory: "/project",
  folder: "",
  file: "src/app.ts",
  lockfile: "package-lock.json",
  packages: [],
  unused: [],
  nestedModules: [],
  rootFiles: [],
  installFlags: [],
  framework: "node_modules/servable",
  isFrameworkLinked: false,
  archives: [],
  npmrc: undefined,
  npmrcVariables: [],
  nodeVersion: undefined,
};

function generate(app: Partial<ImageApp> = {}, project: Partial<Project> = {}): string {
  return generateDockerfile({ ...APP, ...app }, { ...PROJECT, ...project }, "20.19.0");
}

/** The value of a label as builders read it: an unescaped "$" would start a variable. */
function labelOf(text: string, name: string): string | undefined {
  const [labels, ...others] = parseDockerfile(text).instructions.filter(({ keyword }) => keyword === "LABEL");
  assert.deepEqual(others, []);
  const assignments = [...(labels?.text ?? "").matchAll(/(\S+?)="((?:[^"\\$]|\\.)*)"(?: +|$)/gs)];
  const found = assignments.find(([, label]) => label === name);
  return found?.[2]?.replaceAll(/\\(["\\$])/g, "$1");
}

describe("the generated Dockerfile", () => {
  test("has the exact Node version, its user, variables, and a command without a shell", () => {
    const lines = generate().split("\n");
    for (const line of [
      "ARG NODE_VERSION=20.19.0",
      "ARG BASE_IMAGE=docker.io/library/node:${NODE_VERSION}-slim",
      "ENV NODE_ENV=production HOST=0.0.0.0 METRICS_HOST=0.0.0.0 PORT=8080",
      "EXPOSE 8080",
      "USER 1000:1000",
      'CMD ["node","node_modules/servable/dist/cli/main.js","run","src/app.ts::Greeter"]',
    ]) {
      assert.ok(lines.includes(line), line);
    }
    assert.ok(generate({}, { nodeVersion: "22.3.4" }).includes("ARG NODE_VERSION=22.3.4\n"));
  });

  test("installs the locked packages, without development dependencies", () => {
    assert.match(
      generate(),
      /^RUN npm ci --omit=dev .* && node node_modules\/servable\/dist\/packaging\/trim\//m,
    );
  });

  test("has the app in its last layer", () => {
    const { instructions } = parseDockerfile(generate());
    const layers = instructions.filter(({ keyword }) => ["COPY", "RUN", "ADD", "WORKDIR"].includes(keyword));
    assert.equal(layers.at(-1)?.text, ". .");
    const index = instructions.findLastIndex(({ keyword }) => keyword === "COPY");
    assert.deepEqual(
      new Set(instructions.slice(index + 1).map(({ keyword }) => keyword)),
      new Set(["LABEL"]),
    );
  });

  test("copies the whole project, and names its lockfile", () => {
    assert.deepEqual(copySources(parseDockerfile(generate())), ["package.json", "package-lock.json", "."]);
    assert.deepEqual(
      copySources(parseDockerfile(generate({}, { npmrc: "a=b", archives: ["a b.tgz", "lib/c.tgz"] }))),
      ["package.json", "package-lock.json", "a b.tgz", "lib/c.tgz", "."],
    );
  });

  test("passes npm's settings as a secret of the build, and keeps archives out of the image's layers", () => {
    const text = generate({}, { npmrc: "a=b", npmrcVariables: ["NPM_TOKEN"], archives: ["lib/c.tgz"] });
    assert.match(text, /^ARG NPM_TOKEN$/m);
    assert.match(
      text,
      /^RUN --mount=type=secret,id=npmrc,target=\/app\/\.npmrc,required=true npm ci --omit=dev /m,
    );
    assert.doesNotMatch(text, /a=b/);
    const last = text.slice(text.lastIndexOf("\nFROM "));
    assert.doesNotMatch(last, /npmrc|NPM_TOKEN|c\.tgz|COPY \. /);
    assert.match(text, /AS sources\n[^]*lib\/c\.tgz[^]*rmSync/);
    assert.doesNotMatch(generate(), /mount|npmrc/);
  });

  test("of a workspace copies the packages that the app uses, its own last, and runs in its folder", () => {
    const text = generate(
      {},
      {
        folder: "packages/app",
        packages: ["libs/a b", "packages/app"],
        nestedModules: ["packages/app/node_modules"],
        rootFiles: ["tsconfig.base.json"],
        installFlags: ["--workspace=packages/app"],
        framework: "packages/app/node_modules/servable",
      },
    );
    const { instructions } = parseDockerfile(text);
    const copied = instructions.filter(({ keyword }) => keyword === "COPY").map(({ text: words }) => words);
    assert.deepEqual(copied.slice(-3), [
      "package.json package-lock.json tsconfig.base.json /app/",
      '["libs/a b","/app/libs/a b"]',
      "packages/app /app/packages/app",
    ]);
    assert.deepEqual(copySources(parseDockerfile(text)), [
      "package.json",
      "package-lock.json",
      "libs/a b/package.json",
      "packages/app/package.json",
      "tsconfig.base.json",
      "libs/a b",
      "packages/app",
    ]);
    assert.match(
      text,
      /^RUN npm ci --omit=dev --workspace=packages\/app .* && node packages\/app\/node_modules\/servable\/dist\/packaging\/trim\/main\.js packages\/app\/node_modules$/m,
    );
    assert.match(
      text,
      /^COPY --from=packages \/app\/packages\/app\/node_modules \/app\/packages\/app\/node_modules$/m,
    );
    assert.match(text, /\nWORKDIR \/app\/packages\/app\n/);
    assert.match(
      text,
      /^CMD \["node","\/app\/packages\/app\/node_modules\/servable\/dist\/cli\/main\.js","run","src\/app\.ts::Greeter"\]$/m,
    );
  });

  test("checks the app's health endpoint", () => {
    assert.match(
      generate(),
      /^HEALTHCHECK --interval=15s --timeout=5s --start-period=600s --retries=3 CMD \["node"/m,
    );
    const own = generate({
      health: {
        method: "POST",
        path: "/well",
        timeoutSeconds: 2,
        startPeriodSeconds: 9,
        failureThreshold: 1,
      },
    });
    assert.match(
      own,
      /--timeout=2s --start-period=9s --retries=1 .*\/well.*POST.*application\/json.*body: \\"{}\\" }/,
    );
  });

  test("has name, version and document in labels", () => {
    const text = generate();
    assert.equal(labelOf(text, "org.opencontainers.image.title"), "greeter");
    assert.equal(labelOf(text, "org.opencontainers.image.version"), "1.2.3");
    assert.equal(labelOf(text, OPENAPI_LABEL), '{"openapi":"3.1.0"}');
  });

  test("keeps any document complete, in lines that builders can read", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ maxDepth: 4 })),
        (openapi) => {
          const text = generate({ openapi });
          assert.equal(labelOf(text, OPENAPI_LABEL), JSON.stringify(openapi));
        },
      ),
    );
    const openapi = Object.fromEntries(
      Array.from({ length: 5000 }, (_, index) => [`#/key ${index}`, "# $x \\ text"]),
    );
    const text = generate({ openapi });
    assert.ok(text.split("\n").every((line) => line.length < 1000 && !/^[ #]*#"/.test(line)));
    assert.equal(labelOf(text, OPENAPI_LABEL), JSON.stringify(openapi));
  });

  test("has assignments that builders read unchanged", () => {
    assert.deepEqual(readAssignments("A=1 B=\"two words\" C='x y' D"), [
      ["A", "1"],
      ["B", '"two words"'],
      ["C", "'x y'"],
      ["D", undefined],
    ]);
    assert.deepEqual(readAssignments("NAME the value"), [["NAME", "the value"]]);
  });
});
