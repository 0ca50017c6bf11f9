import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import {
  ANY_PORT,
  appSource,
  cleanEnvironment,
  cliCommand,
  createProject,
  root,
  runCli,
  startCli,
} from "../helpers/cli.ts";

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
const greeter = createProject({ "app.ts": appSource("Greeter", "hello") });

describe("the command line", () => {
  test("--version prints the package's version", async () => {
    const { exitCode, stdout } = await runCli(["--version"]);
    assert.deepEqual([exitCode, stdout], [0, `${manifest.version}\n`]);
  });

  test("--help lists the commands and examples, without colours in a pipe", async () => {
    const { exitCode, stdout } = await runCli(["--help"]);
    assert.equal(exitCode, 0);
    for (const word of ["run", "openapi", "create", "doctor", "Examples:"])
      assert.ok(stdout.includes(word), word);
    assert.ok(!stdout.includes("\u001B"));
  });

  for (const command of ["run", "openapi", "create", "doctor"]) {
    test(`${command} --help shows examples`, async () => {
      const { exitCode, stdout } = await runCli([command, "--help"]);
      assert.equal(exitCode, 0);
      assert.match(stdout, new RegExp(`Examples:\\n  \\$ servable ${command}`));
    });
  }

  test("an unknown command or option gets a suggestion", async () => {
    const command = await runCli(["rnu"]);
    assert.equal(command.exitCode, 1);
    assert.match(command.stderr, /unknown command 'rnu'\n\(Did you mean run\?\)/);
    const option = await runCli(["run", "app.ts", "--prot", "3"]);
    assert.equal(option.exitCode, 1);
    assert.match(option.stderr, /unknown option '--prot'\n\(Did you mean --port\?\)/);
  });

  test("an invalid option value is refused", async () => {
    for (const args of [
      ["--port", "70000"],
      ["--port", "1.5"],
      ["--limit-max-requests", "0"],
      ["--log-format", "x"],
    ]) {
      const { exitCode, stderr } = await runCli(["run", "app.ts", ...args], greeter);
      assert.equal(exitCode, 1);
      assert.match(stderr, /is invalid/);
    }
  });
});

describe("servable run", () => {
  test("serves a TypeScript class, logs JSON in a pipe, and exits with 0 on SIGTERM", async () => {
    const app = startCli(["run", "app.ts", ...ANY_PORT], greeter);
    const url = await app.listening();
    const [line] = await app.logged(/^listening$/);
    assert.equal(line?.["docs"], `${url}/docs`);
    assert.equal(line?.["health"], `${url}/health`);
    assert.match(String(line?.["metrics"]), /^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    const answer = await fetch(url, { method: "POST" });
    assert.deepEqual(await answer.json(), { answer: "hello" });
    assert.equal((await fetch(`${url}/docs`)).status, 200);
    assert.match(await (await fetch(String(line?.["metrics"]))).text(), /http_requests_total/);
    app.kill("SIGTERM");
    const { exitCode, stderr } = await app.ended;
    assert.deepEqual([exitCode, stderr], [0, ""]);
  });

  test("exits with 0 on Ctrl-C, even when the app left a timer running", async () => {
    const folder = createProject({ "app.ts": `${appSource("Busy", "yes")}\nsetInterval(() => {}, 1000);\n` });
    const app = startCli(["run", "app.ts", ...ANY_PORT], folder);
    await app.listening();
    app.kill("SIGINT");
    assert.equal((await app.ended).exitCode, 0);
  });

  test("--no-metrics serves no metrics, --limit-max-requests stops after that many requests", async () => {
    const app = startCli(
      ["run", "app.ts", "--port", "0", "--no-metrics", "--limit-max-requests", "1"],
      greeter,
    );
    const url = await app.listening();
    const [line] = await app.logged(/^listening$/);
    assert.equal(line?.["metrics"], undefined);
    assert.equal((await fetch(url, { method: "POST" })).status, 200);
    assert.equal((await app.ended).exitCode, 0);
  });

  test("HOST, PORT and METRICS_PORT are used when no option is given", async () => {
    const app = startCli(["run", "app.ts"], greeter, { HOST: "127.0.0.2", PORT: "0", METRICS_PORT: "0" });
    assert.match(await app.listening(), /^http:\/\/127\.0\.0\.2:\d+$/);
  });

  test("--log-format pretty writes readable text", async () => {
    const args = ["run", "app.ts", ...ANY_PORT, "--log-format", "pretty", "--limit-max-requests", "1"];
    const app = startCli(args, greeter);
    await app.printed(/INFO: listening/);
    assert.ok(!app.stdout.includes("\u001B"));
  });

  test("tsconfig paths, modules beside the file and plain JavaScript are resolved", async () => {
    const folder = createProject({
      "src/app.ts": `import { App, endpoint } from "servable";
import { answer } from "@lib/answer.ts";
import { more } from "./more.js";
export default class Greeter extends App { @endpoint("/") ask(): string { return answer + more; } }`,
      "src/lib/answer.ts": `export const answer: string = "path";`,
      "src/more.js": `export const more = " and js";`,
      "src/tsconfig.json": `{ "compilerOptions": { "paths": { "@lib/*": ["./lib/*"] }, }, } // commas allowed`,
      "plain.mjs": `import { App } from "servable";
export class Plain extends App {}`,
    });
    const app = startCli(["run", "src/app.ts", ...ANY_PORT], folder);
    const answer = await fetch(await app.listening(), { method: "POST" });
    assert.equal(await answer.json(), "path and js");
    const plain = await runCli(["run", "plain.mjs", ...ANY_PORT], folder);
    assert.match(plain.stderr, /^error: plain has no route/);
  });

  for (const [type, text] of Object.entries({ none: "{}", commonjs: '{"type":"commonjs"}' })) {
    test(`a package of type ${type} is served too`, async () => {
      const folder = createProject({
        "package.json": text,
        "app.ts": `import { helper } from "./helper.ts";\n${appSource("Old", "works")}\nhelper();\n`,
        "helper.ts": "export function helper(): void {}\n",
      });
      const app = startCli(["run", "app.ts", ...ANY_PORT], folder);
      const answer = await fetch(await app.listening(), { method: "POST" });
      assert.deepEqual(await answer.json(), { answer: "works" });
    });
  }

  test("a function in a ServeWrapper is served", async () => {
    const folder = createProject({
      "app.ts": `import { ServeWrapper } from "servable";
export default new ServeWrapper(function hello() { return { answer: "wrapped" }; });`,
    });
    const app = startCli(["run", "app.ts", ...ANY_PORT], folder);
    const answer = await fetch(await app.listening(), { method: "POST" });
    assert.deepEqual(await answer.json(), { answer: "wrapped" });
  });
});

describe("which class servable run takes", () => {
  const second = appSource("Second", "two").replace(/^import.*$/m, "");
  const folder = createProject({
    "two.ts": appSource("First", "one") + second,
    "default.ts": appSource("First", "one") + second.replace("export class", "export default class"),
    "none.ts": "export const nothing = 1;",
  });

  test("of several classes, the one after ::", async () => {
    const app = startCli(["run", "two.ts::Second", ...ANY_PORT], folder);
    const answer = await fetch(await app.listening(), { method: "POST" });
    assert.deepEqual(await answer.json(), { answer: "two" });
  });

  test("of several classes, the default export", async () => {
    const app = startCli(["run", "default.ts", ...ANY_PORT], folder);
    const answer = await fetch(await app.listening(), { method: "POST" });
    assert.deepEqual(await answer.json(), { answer: "two" });
  });

  test("of several classes without a default export, none: the error lists them and shows a command to use", async () => {
    const { exitCode, stderr } = await runCli(["run", "two.ts"], folder);
    assert.equal(exitCode, 1);
    assert.equal(
      stderr,
      "error: two.ts exports 2 servable classes: First, Second. Say which one, for example: two.ts::First\n",
    );
  });

  test("a misspelt name gets a suggestion", async () => {
    const { exitCode, stderr } = await runCli(["run", "two.ts::Secnd"], folder);
    assert.equal(exitCode, 1);
    assert.equal(stderr, 'error: two.ts exports no servable class Secnd; did you mean "Second"?\n');
  });

  test("a file without a class is an error that shows how to write one", async () => {
    const { exitCode, stderr } = await runCli(["run", "none.ts"], folder);
    assert.equal(exitCode, 1);
    assert.match(stderr, /^error: none\.ts exports no servable class; write "export default class/);
  });
});

describe("errors of servable run", () => {
  const folder = createProject({
    "app.ts": appSource("Fine", "yes"),
    "syntax.ts": "const a = 1;\nclass X { foo( { return 1 } }\n",
    "syntax.mjs": "const a = 1;\nclass X { foo( { return 1 } }\n",
    "package.ts": 'const a = 1;\n\nimport { b } from "no-such-package/sub";\nconsole.log(a, b);\n',
    "listed/package.json": '{ "type": "module", "dependencies": { "no-such-package": "^1" } }',
    "listed/app.ts": 'import { b } from "no-such-package";\nconsole.log(b);\n',
    "module.ts": 'import { b } from "./lib/gone.ts";\nconsole.log(b);\n',
    "name.ts": 'import { b } from "./app.ts";\nconsole.log(b);\n',
    "throws.ts": '\n\nthrow new TypeError("not today");\n',
    "setup.ts": appSource("Heavy", "no", 'override async setup() {\n    throw new Error("no weights");\n  }'),
    "twice.ts": `${appSource("Twice", "no")}`
      .replace("ask():", "other() {}\n  @endpoint('/')\n  ask():")
      .replace("other() {}", "other(): void {}"),
    "crash.ts": appSource(
      "Crash",
      "no",
      'override setup() { setImmediate(() => { throw new Error("bang"); }); }',
    ),
  });
  const cases: [name: string, file: string, expected: string][] = [
    ["a missing file", "ap.ts", 'error: There is no file ap.ts; did you mean "app.ts"?\n'],
    ["a folder", ".", "error: . is a folder; give a file in it, such as ./app.ts.\n"],
    [
      "a file of another kind",
      "package.json",
      "error: package.json is not a TypeScript or JavaScript file; its name must end in .ts or .js.\n",
    ],
    ["a syntax error in TypeScript", "syntax.ts", 'error: syntax.ts:2:24: Expected "}" but found "1"\n'],
    ["a syntax error in JavaScript", "syntax.mjs", "error: syntax.mjs:2: Unexpected number\n"],
    [
      "a missing package",
      "package.ts",
      'error: package.ts:3: the package "no-such-package" is not installed; run: npm install no-such-package\n',
    ],
    [
      "a package that the project lists",
      join("listed", "app.ts"),
      `error: ${join("listed", "app.ts")}:1: the package "no-such-package" is not installed; run: npm install\n`,
    ],
    ["a missing module", "module.ts", `error: module.ts:1: there is no file ${join("lib", "gone.ts")}\n`],
    ["an error at the top level", "throws.ts", "error: TypeError: not today\n  at throws.ts:3:7\n"],
    ["two methods on one path", "twice.ts", "error: ask() and other() both claim POST /; change one path.\n"],
  ];
  for (const [name, file, expected] of cases) {
    test(`${name}: one or two lines name the location and the cause`, async () => {
      const { exitCode, stdout, stderr } = await runCli(["run", file, ...ANY_PORT], folder);
      assert.deepEqual({ exitCode, stdout, stderr }, { exitCode: 1, stdout: "", stderr: expected });
    });
  }

  test("a missing export: file, line and a suggestion", async () => {
    const { stderr } = await runCli(["run", "name.ts"], folder);
    assert.match(
      stderr,
      /^error: name\.ts:1: The requested module '\.\/app\.ts' does not provide an export named 'b'; if b is a type/,
    );
  });

  test("a setup that throws: exit code 3, its message and the line in the user's file", async () => {
    const { exitCode, stderr } = await runCli(["run", "setup.ts", ...ANY_PORT], folder);
    assert.equal(exitCode, 3);
    assert.match(stderr, /^error: setup\(\) of heavy failed: no weights\n {2}at setup\.ts:4:\d+\n$/);
  });

  test("--debug adds the stack", async () => {
    const { stderr } = await runCli(["run", "setup.ts", "--debug", ...ANY_PORT], folder);
    assert.match(stderr, /StartupError: setup\(\) of heavy failed[^]*\[cause\]: Error: no weights/);
  });

  test("a port in use: exit code 3 before setup runs", async () => {
    const marked = createProject({
      "app.ts": appSource("Slow", "no", 'override setup() { console.log("setup ran"); }'),
    });
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    for (const extra of [[], ["--watch"]]) {
      const { exitCode, stdout, stderr } = await runCli(
        ["run", "app.ts", "--port", String(port), "--metrics-port", "0", ...extra],
        marked,
      );
      assert.equal(exitCode, 3);
      assert.equal(
        stderr,
        `error: The port ${port} on 127.0.0.1 is in use; stop the program that listens there, or choose another with --port.\n`,
      );
      assert.equal(stdout, "");
    }
    taken.close();
  });

  test("experimentalDecorators in the user's tsconfig.json: the setting to turn off", async () => {
    const legacy = createProject({
      "app.ts": appSource("Legacy", "no"),
      "tsconfig.json": '{"compilerOptions":{"experimentalDecorators":true}}',
    });
    const { exitCode, stderr } = await runCli(["run", "app.ts"], legacy);
    assert.equal(exitCode, 1);
    assert.match(
      stderr,
      /^error: @endpoint needs standard decorators.*turn "experimentalDecorators" off in tsconfig\.json\.\n$/,
    );
  });

  test("an uncaught error while serving is logged, and the process exits with 1", async () => {
    const { exitCode, stdout } = await startCli(["run", "crash.ts", ...ANY_PORT], folder).ended;
    assert.equal(exitCode, 1);
    const logged = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { level: number; err?: { message: string } });
    // Lines of work begun before may follow the fatal one.
    const fatal = logged.filter(({ level }) => level === 60).map(({ err }) => err?.message);
    assert.deepEqual(fatal, ["bang"]);
  });
});

describe("servable openapi", () => {
  test("prints only the document on standard output, whatever the app prints", async () => {
    const folder = createProject({
      "app.ts": `console.log("loading");\n${appSource("Chatty", "x", 'override setup() { throw new Error("never"); }')}\nsetInterval(() => {}, 1000);`,
    });
    const { exitCode, stdout, stderr } = await runCli(["openapi", "app.ts"], folder);
    assert.equal(exitCode, 0);
    const document = JSON.parse(stdout) as { openapi: string; info: { title: string }; paths: object };
    assert.equal(document.openapi, "3.1.0");
    assert.equal(document.info.title, "chatty");
    assert.deepEqual(Object.keys(document.paths), ["/", "/health"]);
    assert.ok(stdout.startsWith('{\n  "openapi"'));
    assert.equal(stderr, "loading\n");
  });

  test(
    "reports output that can't be written as an error in one line",
    { skip: !existsSync("/dev/full") },
    async () => {
      const [program = "", ...first] = cliCommand();
      const full = openSync("/dev/full", "w");
      const child = spawn(program, [...first, "openapi", "app.ts"], {
        cwd: greeter,
        env: cleanEnvironment(),
        stdio: ["ignore", full, "pipe"],
      });
      closeSync(full);
      const closed = once(child, "close");
      assert.ok(child.stderr !== null);
      assert.match(await text(child.stderr), /^error: Standard output can't be written: ENOSPC.*\n$/);
      assert.deepEqual(await closed, [1, null]);
    },
  );

  test("--indent 0 prints one line, --output writes a file", async () => {
    const folder = createProject({ "app.ts": appSource("Quiet", "x") });
    const line = await runCli(["openapi", "app.ts", "--indent", "0"], folder);
    assert.equal(line.stdout.trim().split("\n").length, 1);
    const file = await runCli(["openapi", "app.ts", "--output", "out.json"], folder);
    assert.deepEqual([file.exitCode, file.stdout], [0, ""]);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, "out.json"), "utf8")), JSON.parse(line.stdout));
    const lost = await runCli(["openapi", "app.ts", "--output", "gone/out.json"], folder);
    assert.equal(lost.exitCode, 1);
    assert.match(lost.stderr, /^error: gone\/out\.json can't be written: ENOENT/);
  });
});
