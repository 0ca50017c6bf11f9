import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { asError } from "../../../src/answers.ts";
import { callSite } from "../../../src/routes/call-site.ts";
import { REPOSITORY, temporaryFolder } from "../../helpers/second-copy.ts";
import { compile } from "../../helpers/typescript.ts";

/** The result of callSite() when code of this package calls it, `depth` frames deep. */
function throughPackage(depth: number): string | undefined {
  const seen: (string | undefined)[] = [];
  // Created from text, so that only the package's frames have a file.
  let call = new Function("callSite", "seen", "return () => seen.push(callSite())")(
    callSite,
    seen,
  ) as () => unknown;
  for (let level = 0; level < depth; level++) call = asError.bind(null, { toJSON: call });
  call();
  return seen[0];
}

test("the calling module is found, under the URL that the loader received", () => {
  assert.equal(callSite(), import.meta.url.replace(/\?.*$/, ""));
});

test("frames of this package are skipped, however many", () => {
  for (const depth of [1, 2, 40]) assert.equal(throughPackage(depth), import.meta.url);
});

test("frames without a file and frames of compiler helpers are skipped, those of CommonJS modules are not", async () => {
  const folder = temporaryFolder();
  const call = "module.exports = (callSite) => callSite();";
  mkdirSync(join(folder, "node_modules/tslib"), { recursive: true });
  for (const file of ["node_modules/tslib/helper.cjs", "user.cjs"]) writeFileSync(join(folder, file), call);
  const require = createRequire(import.meta.url);
  const load = (file: string) => require(join(folder, file)) as (site: typeof callSite) => string | undefined;
  assert.equal(load("node_modules/tslib/helper.cjs")(callSite), import.meta.url);
  assert.equal(load("user.cjs")(callSite), pathToFileURL(join(folder, "user.cjs")).href);
  const evaluated = new Function("callSite", "return callSite()") as typeof load;
  assert.equal((evaluated as unknown as (site: typeof callSite) => string)(callSite), import.meta.url);
});

test("callSite() does not change how stack traces are created", () => {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const mine = (): string => "mine";
  try {
    Error.prepareStackTrace = mine;
    Error.stackTraceLimit = 0;
    assert.equal(callSite(), import.meta.url);
    assert.equal(Error.prepareStackTrace, mine);
    assert.equal(Error.stackTraceLimit, 0);
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
});

const SOURCE = `
import { callSite } from "../../src/routes/call-site.ts";

let site: string | undefined;
function mark(_method: unknown, _context: ClassMethodDecoratorContext): void {
  site = callSite();
}
class Marked {
  @mark
  run(): void {}
}
console.log(JSON.stringify([site, import.meta.url, typeof Marked]));
`;

test("the compiled module is found in code compiled by tsc and run by plain Node", () => {
  const folder = temporaryFolder();
  const out = { noEmit: false, rootDir: REPOSITORY, outDir: "out" };
  assert.equal(compile(folder, { "marked.ts": SOURCE }, out), "");
  const [, cache = "", name = ""] = /([^/\\]+)[/\\]([^/\\]+)$/.exec(folder) ?? [];
  const env = { ...process.env, NODE_OPTIONS: "" };
  const file = join(folder, "out", cache, name, "marked.js");
  const printed = execFileSync(process.execPath, [file], { encoding: "utf8", env });
  const [site, url] = JSON.parse(printed) as string[];
  assert.equal(site, url);
});
