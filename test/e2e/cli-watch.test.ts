import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ANY_PORT, appSource, ask, createProject, startCli } from "../helpers/cli.ts";

describe("servable run --watch", { timeout: 120_000 }, () => {
  test("a changed file takes effect without a failed request", async () => {
    const folder = createProject({ "app.ts": appSource("Live", "one") });
    const app = startCli(["run", "app.ts", "--watch", ...ANY_PORT], folder);
    const url = await app.listening();
    const answers: string[] = [];
    let isOver = false;
    const clients = Array.from({ length: 4 }, async () => {
      while (!isOver) answers.push(await ask(url));
    });
    for (const [index, text] of ["two", "three"].entries()) {
      writeFileSync(join(folder, "app.ts"), appSource("Live", text));
      await app.logged(/^restarted in \d+ ms$/, index + 1);
      // The old process may still hold some connections.
      while (!answers.slice(-20).every((answer) => answer.includes(text))) await ask(url);
    }
    isOver = true;
    await Promise.all(clients);
    assert.deepEqual(
      [...new Set(answers)],
      ["one", "two", "three"].map((text) => `200 {"answer":"${text}"}`),
    );
    const [line] = await app.logged(/^restarting/);
    assert.equal(line?.msg, "restarting: app.ts changed");
    const stops = await app.logged(/^stopping: /, 2);
    assert.deepEqual([...new Set(stops.map(({ msg }) => msg))], ["stopping: a newer version serves"]);
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
  });

  test("a change that can't be loaded or set up leaves the old version serving, until the next change", async () => {
    const folder = createProject({ "app.ts": appSource("Steady", "one") });
    const app = startCli(["run", "app.ts", "--watch", ...ANY_PORT], folder);
    const url = await app.listening();
    writeFileSync(join(folder, "app.ts"), "class {");
    await app.logged(/last good version/);
    assert.match(app.stderr, /error: app\.ts:1:6: /);
    assert.equal(await ask(url), '200 {"answer":"one"}');
    writeFileSync(
      join(folder, "app.ts"),
      appSource("Steady", "x", 'override setup() { throw new Error("no weights"); }'),
    );
    await app.logged(/last good version/, 2);
    assert.match(app.stderr, /error: setup\(\) of steady failed: no weights/);
    assert.equal(await ask(url), '200 {"answer":"one"}');
    writeFileSync(join(folder, "app.ts"), appSource("Steady", "two"));
    await app.logged(/^restarted/);
    app.kill("SIGINT");
    assert.equal((await app.ended).exitCode, 0);
  });

  test("a first version that fails waits for a change, also in a file it imports from another folder", async () => {
    const shared = createProject({ "answer.ts": "export const answer = (" });
    const folder = createProject({
      "app.ts": `import { answer } from ${JSON.stringify(join(shared, "answer.ts"))};
import { App, endpoint } from "servable";
export class Late extends App { @endpoint("/") ask(): unknown { return answer; } }`,
    });
    const app = startCli(["run", "app.ts", "--watch", ...ANY_PORT], folder);
    await app.logged(/^waiting for a change$/);
    writeFileSync(join(shared, "answer.ts"), "export const answer = 'here';");
    const url = await app.listening();
    assert.equal(await ask(url), '200 "here"');
    writeFileSync(join(shared, "answer.ts"), "export const answer = 'there';");
    await app.logged(/^restarted/);
    writeFileSync(join(folder, ".env"), "A=1");
    const [, second] = await app.logged(/^restarted/, 2);
    assert.ok(second);
    assert.ok(app.lines().some(({ msg }) => msg === "restarting: .env changed"));
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
  });

  test("an app that crashes is started again after the next change", async () => {
    const crash = '@endpoint("/crash") crash(): void { setImmediate(() => { throw new Error("bang"); }); }';
    const folder = createProject({ "app.ts": appSource("Fragile", "one", crash) });
    const app = startCli(["run", "app.ts", "--watch", ...ANY_PORT], folder);
    await ask(`${await app.listening()}/crash`).catch(() => {}); // the process may end before it answers
    await app.logged(/ended with code 1; waiting for a change/);
    writeFileSync(join(folder, "app.ts"), appSource("Fragile", "two"));
    await app.logged(/^restarted/);
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
  });
});
