import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connectTestSocket } from "servable/testing";
import { ANY_PORT, appSource, ask, createProject, runCli, startCli } from "../helpers/cli.ts";

const said = (text: string): string => `200 {"answer":"${text}"}`;

const files = {
  "alpha.ts": appSource("AlphaApp", "a"),
  "two.ts": `${appSource("Beta", "b")}
export class Gamma extends App {
  @endpoint("/") ask(): { answer: string } { return { answer: "c" }; }
  @endpoint("/steps", { stream: true }) async *steps() { yield 1; yield 2; }
}
`,
};

describe("servable run FILE FILE", { timeout: 300_000 }, () => {
  test("serves each class under its app's name or its prefix, and logs where each is", async () => {
    const folder = createProject(files);
    const app = startCli(["run", "alpha.ts", "/b=two.ts::Beta", "/x/c=two.ts::Gamma", ...ANY_PORT], folder);
    const [line] = await app.logged(/^listening$/);
    const url = String(line?.["url"]);
    assert.deepEqual(
      line?.["apps"],
      [
        ["AlphaApp", "/alpha-app"],
        ["Beta", "/b"],
        ["Gamma", "/x/c"],
      ].map(([name, prefix]) => ({
        app: name,
        url: `${url}${prefix}`,
        docs: `${url}${prefix}/docs`,
        health: `${url}${prefix}/health`,
      })),
    );
    assert.equal(line?.["health"], `${url}/health`);
    assert.equal(await ask(`${url}/alpha-app/`), said("a"));
    assert.equal(await ask(`${url}/b/`), said("b"));
    assert.equal(await ask(`${url}/x/c/`), said("c"));
    assert.match(await ask(`${url}/x/c/steps`), /^200 data: 1\n\ndata: 2\n/);
    assert.match(await ask(url), /^405 /);
    assert.match(await ask(`${url}/b/steps`), /^404 /);
    for (const { docs, health } of (line?.["apps"] ?? []) as { docs: string; health: string }[]) {
      for (const address of [docs, health]) assert.equal((await fetch(address)).status, 200, address);
    }
    const metrics = await (await fetch(String(line?.["metrics"]))).text();
    for (const name of ["alpha-app", "b", "x/c"]) {
      assert.match(metrics, new RegExp(`^http_requests_total\\{app="${name}",.*path="/",.*\\} 1$`, "m"));
    }
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
  });

  test("a single file with a prefix is served below it, one without at the root", async () => {
    const folder = createProject(files);
    const below = startCli(["run", "/a=alpha.ts", ...ANY_PORT], folder);
    const root = startCli(["run", "alpha.ts", ...ANY_PORT], folder);
    const url = await below.listening();
    assert.equal(await ask(`${url}/a/`), said("a"));
    assert.equal(await ask(`${url}/`), '405 {"detail":"Method Not Allowed"}');
    const own = await root.listening();
    assert.equal(await ask(own), said("a"));
    assert.equal((await root.logged(/^listening$/))[0]?.["app"], "AlphaApp");
    for (const app of [below, root]) {
      app.kill("SIGTERM");
      assert.equal((await app.ended).exitCode, 0);
    }
  });

  test("classes that can't be served together are refused by name, with exit code 1", async () => {
    const folder = createProject({ ...files, "a=b.ts": appSource("Equal", "e") });
    for (const [args, message] of [
      [["alpha.ts", "alpha.ts"], /alpha-app and alpha-app both have the prefix \/alpha-app\./],
      [
        ["/a=alpha.ts", "/a/b=two.ts::Beta"],
        /prefix \/a\/b of beta lies below \/a, the prefix of alpha-app\./,
      ],
      [
        ["/a b=alpha.ts", "two.ts::Beta"],
        /The prefix "\/a b" of alpha-app is not valid; write a path such as/,
      ],
      [["/health=alpha.ts"], /taken: the server itself answers \/health\./],
      [["/=alpha.ts"], /The prefix "\/" of alpha-app is not valid/],
      [["a=alpha.ts"], /The prefix in "a=alpha\.ts" does not begin with a slash; write \/a=alpha\.ts\./],
      [["alpha.ts", "two.ts"], /two\.ts exports 2 servable classes: Beta, Gamma\./],
      [["alpha.ts", "missing.ts"], /There is no file missing\.ts/],
      [["/a="], /names no file/],
    ] as const) {
      const { exitCode, stderr } = await runCli(["run", ...args, ...ANY_PORT], folder);
      assert.equal(exitCode, 1, args.join(" "));
      assert.match(stderr, message);
    }
    for (const command of ["openapi", "deploy", "build"]) {
      const { exitCode, stderr } = await runCli([command, "alpha.ts", "two.ts::Beta"], folder);
      assert.equal(exitCode, 1, command);
      assert.match(stderr, /too many arguments for '\w+'/);
    }
    const app = startCli(["run", "a=b.ts", ...ANY_PORT], folder);
    assert.equal(await ask(await app.listening()), said("e"));
  });
});

describe("the life of several classes of servable run", { timeout: 300_000 }, () => {
  test("a setup that fails ends with exit code 3, and the other class is torn down", async () => {
    const teardown = 'override teardown() { process.stderr.write("torn down\\n"); }';
    const folder = createProject({
      "good.ts": appSource("Good", "g", teardown),
      "bad.ts": appSource("Bad", "b", 'override setup() { throw new Error("no weights"); }'),
    });
    const { exitCode, stderr } = await runCli(["run", "good.ts", "bad.ts", ...ANY_PORT], folder);
    assert.equal(exitCode, 3);
    assert.match(stderr, /^torn down\nerror: setup\(\) of bad failed: no weights\n {2}at bad\.ts:3/);
  });

  test("--api-key-file guards every class, and a class with its own authentication is named", async () => {
    const folder = createProject({
      ...files,
      "keys.txt": "0123456789abcdef0123456789abcdef\n",
      "own.ts": appSource("Own", "o", 'override authenticate(): unknown { return "me"; }'),
    });
    const guarded = ["--api-key-file", "keys.txt", ...ANY_PORT];
    const app = startCli(["run", "alpha.ts", "two.ts::Beta", ...guarded], folder);
    const url = await app.listening();
    for (const path of ["alpha-app", "beta"]) {
      assert.match(await ask(`${url}/${path}/`), /^401 /);
      const key = { authorization: "Bearer 0123456789abcdef0123456789abcdef" };
      assert.match(await ask(`${url}/${path}/`, key), /^200 /);
    }
    const refused = await runCli(["run", "alpha.ts", "own.ts", ...guarded], folder);
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /own identifies its callers itself; drop the option auth/);
  });

  test("workers of each class run its calls, in processes of their own", async () => {
    const source = (name: string): string => `import { App, endpoint } from "servable";
export class ${name} extends App {
  static override workers = 1;
  @endpoint("/") ask(): unknown { return { name: "${name}", pid: process.pid }; }
}
`;
    const folder = createProject({ "one.ts": source("One"), "other.ts": source("Other") });
    const app = startCli(["run", "one.ts", "other.ts", ...ANY_PORT], folder);
    const [line] = await app.logged(/^listening$/);
    const answers = await Promise.all(
      ["one", "other"].map(async (path) => {
        const answer = await fetch(`${String(line?.["url"])}/${path}/`, { method: "POST" });
        return (await answer.json()) as { name: string; pid: number };
      }),
    );
    assert.deepEqual(
      answers.map(({ name }) => name),
      ["One", "Other"],
    );
    assert.equal(new Set([...answers.map(({ pid }) => pid), line?.["pid"]]).size, 3);
    const metrics = await (await fetch(String(line?.["metrics"]))).text();
    for (const name of ["one", "other"]) {
      assert.match(metrics, new RegExp(`^servable_workers_ready\\{app="${name}",app_name="fal"\\} 1$`, "m"));
    }
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
  });

  test("a stop waits for the calls of every class; a forced one exits with 1", async () => {
    const slow = `@endpoint("/slow") async slow(): Promise<string> {
    process.stderr.write("runs\\n");
    await new Promise((resolve) => process.once("SIGUSR2", resolve));
    return "done";
  }
  @endpoint("/stuck") stuck(): Promise<string> { process.stderr.write("stuck\\n"); return new Promise(() => {}); }`;
    const folder = createProject({
      "one.ts": appSource("One", "1", slow),
      "other.ts": appSource("Other", "2", slow),
    });
    const app = startCli(["run", "one.ts", "other.ts", ...ANY_PORT], folder);
    const url = await app.listening();
    const calls = ["one", "other"].map((path) => ask(`${url}/${path}/slow`));
    await app.complained(/runs\nruns/);
    app.kill("SIGTERM");
    await app.logged(/^stopping: SIGTERM$/);
    app.kill("SIGUSR2");
    for (const call of calls) assert.equal(await call, '200 "done"');
    assert.equal((await app.ended).exitCode, 0);
    const cut = startCli(["run", "one.ts", "other.ts", ...ANY_PORT], folder);
    const stuck = ask(`${await cut.listening()}/other/stuck`);
    await cut.complained(/stuck/);
    cut.kill("SIGINT");
    await cut.logged(/^stopping: SIGINT$/);
    cut.kill("SIGINT");
    assert.match(await stuck, /^503 /);
    assert.equal((await cut.ended).exitCode, 1);
  });

  test("--watch restarts for a change of any of the files, in any folder", async () => {
    const folder = createProject({
      "a/one.ts": appSource("One", "1"),
      "b/other.ts": appSource("Other", "2"),
      "b/tsconfig.json": '{ "compilerOptions": { "paths": { "@answer": ["./answer.ts"] } } }',
      "b/answer.ts": 'export const answer = "2";',
    });
    const app = startCli(["run", "a/one.ts", "/o=b/other.ts", "--watch", ...ANY_PORT], folder);
    const url = await app.listening();
    assert.equal(await ask(`${url}/one/`), said("1"));
    writeFileSync(join(folder, "a/one.ts"), appSource("One", "changed"));
    await app.logged(/^restarted/);
    while ((await ask(`${url}/one/`)) !== said("changed"));
    writeFileSync(join(folder, "b/other.ts"), appSource("Other", "changed too"));
    await app.logged(/^restarted/, 2);
    while ((await ask(`${url}/o/`)) !== said("changed too"));
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
  });

  test("each file is loaded with its own tsconfig.json", async () => {
    const source = (name: string): string => `import { App, endpoint } from "servable";
import { answer } from "@answer";
export class ${name} extends App { @endpoint("/") ask(): unknown { return { answer }; } }
`;
    const config = '{ "compilerOptions": { "paths": { "@answer": ["./answer.ts"] } } }';
    const folder = createProject({
      ...{
        "a/one.ts": source("One"),
        "a/tsconfig.json": config,
        "a/answer.ts": 'export const answer = "of a";',
      },
      ...{
        "b/two.ts": source("Two"),
        "b/tsconfig.json": config,
        "b/answer.ts": 'export const answer = "of b";',
      },
    });
    const app = startCli(["run", "a/one.ts", "b/two.ts", ...ANY_PORT], folder);
    const url = await app.listening();
    assert.equal(await ask(`${url}/one/`), said("of a"));
    assert.equal(await ask(`${url}/two/`), said("of b"));
  });

  test("serve() in a program serves several classes, and its workers do not", async () => {
    const folder = createProject({
      "program.ts": `import { App, endpoint, realtime, serve } from "servable";
import { Type } from "typebox";
export class One extends App {
  static override workers = 1;
  @endpoint("/") ask(): unknown { return { answer: "1" }; }
}
export class Two extends App {
  @realtime("/live", { input: Type.Object({ n: Type.Number() }) }) live({ n }: { n: number }): unknown { return { n: n + 1 }; }
}
await serve([One, { class: Two, prefix: "/second" }], {
  port: 0, metricsPort: false,
  onListening: ({ url }) => process.stdout.write(\`at \${url}\\n\`),
});
`,
    });
    const program = startCli(["--import", import.meta.resolve("tsx"), "program.ts"], folder, {}, [
      process.execPath,
    ]);
    await program.printed(/^at (\S+)$/m);
    const [, url = ""] = /^at (\S+)$/m.exec(program.stdout) ?? [];
    assert.equal(await ask(`${url}/one/`), said("1"));
    const socket = await connectTestSocket(`${url}/second/live`);
    socket.send({ n: 1 });
    assert.deepEqual(await socket.next(), { n: 2 });
    await socket.close();
    assert.equal(program.stdout.match(/^at /gm)?.length, 1);
    program.kill("SIGTERM");
    assert.equal((await program.ended).exitCode, 0);
  });
});
