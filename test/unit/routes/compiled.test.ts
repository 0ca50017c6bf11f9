import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { REPOSITORY, temporaryFolder } from "../../helpers/second-copy.ts";
import { compile } from "../../helpers/typescript.ts";

const SOURCE = `
import { Type, type Static } from "typebox";
import { App, endpoint } from "../../src/index.ts";

const Name = Type.Object({ name: Type.String({ default: "you" }) }, { $id: "Name" });

class Greeter extends App {
  @endpoint("/greet", { input: Name })
  greet({ name }: Static<typeof Name>): string {
    return "Hello " + name;
  }
}
class Polite extends Greeter {
  @endpoint("/bow")
  bow(): string {
    return "*bows*";
  }
  override greet(input: Static<typeof Name>): string {
    return super.greet(input) + ", dear";
  }
}

const server = new Polite().buildServer();
const answer = await server.inject({ method: "POST", url: "/greet", payload: {} });
await server.close();
const pathsOf = (app: App): string[] => [...app.collectRoutes().keys()].map(({ path }) => path);
console.log(JSON.stringify([pathsOf(new Polite()), pathsOf(new Greeter()), answer.json()]));
`;

/**
 * Compiles with tsc and runs the result with plain Node, without a loader or export conditions for sources.
 */
function runCompiled(): unknown {
  const folder = temporaryFolder();
  const printed = compile(
    folder,
    { "app.ts": SOURCE },
    { noEmit: false, rootDir: REPOSITORY, outDir: "out" },
  );
  assert.equal(printed, "");
  const [, cache = "", name = ""] = /([^/\\]+)[/\\]([^/\\]+)$/.exec(folder) ?? [];
  const env = { ...process.env, NODE_OPTIONS: "" };
  return JSON.parse(
    execFileSync(process.execPath, [join(folder, "out", cache, name, "app.js")], { encoding: "utf8", env }),
  );
}

test("routes of a class compiled by tsc are recorded and served", () => {
  assert.deepEqual(runCompiled(), [["/bow", "/greet"], ["/greet"], "Hello you, dear"]);
});
