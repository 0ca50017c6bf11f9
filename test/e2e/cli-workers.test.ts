import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ANY_PORT, createProject, runCli, startCli } from "../helpers/cli.ts";
import { ended, isAlive } from "../helpers/processes.ts";

const APP = `import { App, endpoint, type RequestContext } from "servable";
const loaded = await Promise.resolve(process.pid);
export class Pooled extends App {
  static override workers = 2;
  override setup(): void { console.log("setup in " + process.pid); }
  @endpoint("/")
  ask(ctx: RequestContext): { pid: number; loaded: number } {
    ctx.log.info({ answer: 42 }, "asked");
    return { pid: process.pid, loaded };
  }
}
`;

interface Answer {
  readonly pid: number;
  readonly loaded: number;
}

async function ask(url: string): Promise<Answer> {
  return (await (await fetch(url, { method: "POST" })).json()) as Answer;
}

describe("servable run of a class with workers", () => {
  // Without "type" in package.json, the loader can't know by itself that the file is a module.
  const project = createProject({ "app.ts": APP, "package.json": "{}" });

  test("sets up the class in the workers, logs their lines as its own, and ends them when it ends", async () => {
    const app = startCli(["run", "app.ts", ...ANY_PORT], project);
    const url = await app.listening();
    const { pid, loaded } = await ask(url);
    assert.equal(pid, loaded);
    const [line] = await app.logged(/^asked$/);
    assert.equal(line?.["answer"], 42);
    assert.equal(typeof line?.["requestId"], "string");
    assert.equal(app.stdout.match(/^setup in /gm)?.length, 2);
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
    assert.ok(!isAlive(pid));
  });

  test("Ctrl-C, which a terminal sends to every process, makes it exit with 0", async () => {
    const app = startCli(["run", "app.ts", ...ANY_PORT], project);
    const { pid } = await ask(await app.listening());
    process.kill(pid, "SIGINT");
    app.kill("SIGINT");
    assert.equal((await app.ended).exitCode, 0);
    assert.ok(!isAlive(pid));
  });

  test("a SIGKILL of the main process leaves no worker running", async () => {
    const app = startCli(["run", "app.ts", ...ANY_PORT], project);
    const { pid } = await ask(await app.listening());
    app.kill("SIGKILL");
    await app.ended.catch(() => {});
    await ended(pid);
  });

  const hidden = (tail: string): string => `import { App, endpoint } from "servable";
class Hidden extends App {
  static override workers = 1;
  @endpoint("/") ask(): string { return "hello"; }
}
${tail}
`;

  test("a class is found under another export name, and through an instance of it", async () => {
    const folder = createProject({
      "renamed.ts": hidden("export { Hidden as Shown };"),
      "instance.ts": hidden("export const app = new Hidden();"),
    });
    for (const file of ["renamed.ts", "instance.ts"]) {
      const app = startCli(["run", file, ...ANY_PORT], folder);
      const answer = await fetch(await app.listening(), { method: "POST" });
      assert.equal(await answer.text(), '"hello"');
      app.kill("SIGTERM");
      assert.equal((await app.ended).exitCode, 0);
    }
  });

  test("a class that is not exported gives one line that says what to do, and exit code 3", async () => {
    const folder = createProject({
      "inner.ts": hidden("export const create = () => Hidden;"),
      "app.ts": `import { create } from "./inner.ts";\nexport const Made = create();\n`,
    });
    const { exitCode, stderr, stdout } = await runCli(["run", "app.ts", ...ANY_PORT], folder);
    assert.equal(exitCode, 3, stdout + stderr);
    assert.match(stdout + stderr, /does not export Hidden; export the class so that workers can load it/);
  });
});
