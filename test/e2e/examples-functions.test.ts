import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);

suite("examples/functions, run as its README says, with npm's registry", () => {
  const folder = mkdtempSync(join(tmpdir(), "servable-example-"));
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

  const env = { ...process.env, SERVABLE_CACHE_DIR: join(folder, "cache") };
  const command = (program: string, ...rest: string[]): string[] => [
    ...["--conditions=servable-source", "--import", "tsx", `examples/functions/${program}`, ...rest],
  ];

  test("two versions of a package run side by side, and each renders in its own way", async () => {
    const { stdout } = await run(process.execPath, command("versions.ts"), { env });
    const pages = stdout.split(/^(?=\w+\.md: )/m);
    assert.equal(
      pages[0],
      'install.md: differs\n  - <h1 id="install-it">Install it</h1>\n<p>Needs Node 20.</p>\n' +
        "  + <h1>Install it</h1>\n<p>Needs Node 20.</p>\n",
    );
    // The old version obfuscates email addresses at random, differently each time.
    assert.match(
      pages[1] ?? "",
      /^contact\.md: differs\n {2}- .*&#.*\n {2}\+ .*<a href="mailto:team@example\.com">team@/,
    );
    assert.deepEqual(pages.slice(2), ["notes.md: the same\n"]);
  });

  test("the job reports its progress in order, and its picture arrives complete", async () => {
    const file = join(folder, "picture.png");
    const { stdout } = await run(process.execPath, command("picture.ts", file), { env });
    const percents = [...stdout.matchAll(/^USER: (\d+) %$/gm)].map(([, percent]) => Number(percent));
    assert.deepEqual(percents, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
    assert.match(stdout, /^BUILDER: installing pngjs@7\.0\.0$/m);
    const png = readFileSync(file);
    assert.ok(stdout.endsWith(`${file}: ${png.length} bytes\n`), stdout);
    assert.equal(png.subarray(1, 4).toString(), "PNG");
    assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [1200, 900]);
    assert.equal(png.subarray(-8, -4).toString(), "IEND");
  });

  test("Ctrl-C while the job draws ends it with the exit code of an interruption, without writing a file", async () => {
    const file = join(folder, "never.png");
    // A process group of its own: the whole group gets the signal, as from a terminal.
    const child = spawn(process.execPath, command("picture.ts", file), {
      env,
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    let output = "";
    for await (const chunk of child.stdout) {
      const isFirst = !output.includes("20 %");
      output += String(chunk);
      if (isFirst && output.includes("20 %")) process.kill(-(child.pid as number), "SIGINT");
    }
    assert.deepEqual(await exited, [130, null]);
    assert.ok(output.endsWith("cancelled: nothing is written\n"), output);
    assert.ok(!output.includes("90 %"), "it drew on");
    assert.equal(existsSync(file), false);
  });

  test("the served function answers with a slug or with an error, and stops on a signal", async () => {
    const { stdout } = await run(process.execPath, command("served.ts"), { env });
    const [served = "", good, bad, ...rest] = stdout.trimEnd().split("\n");
    assert.match(served, /^served at http:\/\/127\.0\.0\.1:\d+; try it at http:\/\/127\.0\.0\.1:\d+\/docs$/);
    assert.equal(good, '200 {"slug":"aerger-im-buero"}');
    assert.match(bad ?? "", /^422 \{"detail":\[\{"type":"string_too_short","loc":\["body","title"\],/);
    assert.deepEqual(rest, ["stopped"]);
  });
});
