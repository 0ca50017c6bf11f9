import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { cleanEnvironment } from "../helpers/cli.ts";
import { createToolProject } from "../helpers/tool-packages.ts";

const run = promisify(execFile);

/** Each function follows code that shifts lines when it is compiled: types are removed, imports rewritten. */
const FUNCTIONS = `// Functions whose lines move when their types are taken away.
import { fn } from "servable";
import { half } from "./numbers.ts";

interface Wide {
  readonly a: string;
}

type Other = { b: number };

export const double = fn({}, async (value: number): Promise<number> => value * 2);

/** With all of its options on lines of their own. */
export const shout = fn(
  {
    keepAlive: 1,
  },
  (text: string): string => text.toUpperCase(),
);

interface AnotherOne extends Other {
  c: string;
}

export const prepared = fn(
  { setupFunction: (): Wide => ({ a: "ready" }) },
  ({ a }, more: string): string => a + more,
);
export const one = fn({}, (value: number): number => half(value) + 1), two = fn({}, (value: number): number => half(value) + 2);

export const moved = double.on({ keepAlive: 2 });

export default fn({}, (wide: Wide, other?: AnotherOne): string => wide.a + (other?.b ?? ""));
`;

const FILES: Readonly<Record<string, string>> = {
  "tsconfig.json": '{"compilerOptions":{"module":"NodeNext","target":"ES2022","strict":true,"noEmit":true}}',
  "numbers.ts": "export const half = (value: number): number => value / 2;\n",
  "functions.ts": FUNCTIONS,
  "functions.test.ts": `IMPORTS
import concat, { double, moved, one, prepared, shout, two } from "./functions.ts";

test("each function runs as itself", async () => {
  expect(await double(4)).toBe(8);
  expect(await moved(5)).toBe(10);
  expect(await shout("a")).toBe("A");
  expect(await prepared("!")).toBe("ready!");
  expect(await one(8)).toBe(5);
  expect(await two(8)).toBe(6);
  expect(await concat({ a: "x" }, { b: 1, c: "" })).toBe("x1");
}, 120_000);
`,
  "app.ts": `import { App, endpoint, realtime, type RequestContext } from "servable";

interface Unused {
  a: string;
}

const counted = (_method: unknown, { name }: ClassMethodDecoratorContext): void => void names.push(String(name));
export const names: string[] = [];

export class Greeter extends App {
  static override requestTimeout = 60;
  readonly #greeting: string = "hello";
  accessor punctuation: string = "!";

  @counted
  @endpoint("/")
  greet(_ctx: RequestContext): string {
    return this.#greeting + this.punctuation;
  }

  @endpoint("/fails")
  fails(): never {
    throw new Error("on line 24" satisfies Unused["a"]);
  }

  @realtime("/echo")
  echo(input: object): object {
    return input;
  }

  @endpoint("/pid", { workers: 1 })
  pid(): number {
    return process.pid;
  }
}
`,
  "app.test.ts": `IMPORTS
import { connectTestSocket, startTestServer } from "servable/testing";
import { Greeter, names } from "./app.ts";

test("a decorated class is served", async () => {
  const server = await startTestServer(new Greeter());
  expect(await (await server.post("/")).json()).toBe("hello!");
  expect(names).toEqual(["greet"]);
  const socket = await connectTestSocket(server.url + "/echo");
  socket.send({ a: 1 });
  expect(await socket.next()).toEqual({ a: 1 });
  await socket.close();
  expect(await (await server.post("/pid")).json()).not.toBe(process.pid);
  await server.close();
}, 120_000);

test("its lines are those of its file", () => {
  let error: Error | undefined;
  try {
    new Greeter().fails();
  } catch (thrown) {
    error = thrown as Error;
  }
  expect(error?.stack).toMatch(/app\\.ts:23:/);
});
`,
};

function filesFor(imports: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(FILES).map(([name, text]) => [name, text.replace("IMPORTS\n", imports)]),
  );
}

/** The output of a command, both streams together; if it fails, the error contains the output. */
async function output(folder: string, args: readonly string[]): Promise<string> {
  const env = cleanEnvironment({ NO_COLOR: "1", CI: "true" });
  try {
    const { stdout, stderr } = await run(process.execPath, args, { cwd: folder, env, maxBuffer: 1 << 24 });
    return stdout + stderr;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    return assert.fail(`${String(error)}\n${stdout}\n${stderr}`);
  }
}

test("functions and decorated classes work in Vitest on Vite 8", { timeout: 900_000 }, async () => {
  const folder = await createToolProject("vitest", {
    ...filesFor('import { expect, test } from "vitest";\n'),
    "vitest.config.ts": `import { servable } from "servable/vite";
import { defineConfig } from "vitest/config";

export default defineConfig({ plugins: [servable()] });
`,
  });
  const text = await output(folder, ["../node_modules/vitest/vitest.mjs", "run"]);
  assert.match(text, /Tests +3 passed \(3\)/, text);
});

test("functions and decorated classes work in Jest", { timeout: 900_000 }, async () => {
  const folder = await createToolProject("jest", {
    ...filesFor(""),
    "jest.config.mjs": `export default {
  extensionsToTreatAsEsm: [".ts"],
  transform: { "^.+\\\\.[cm]?tsx?$": "servable/jest" },
};
`,
  });
  const jest = ["--experimental-vm-modules", "../node_modules/jest/bin/jest.js", "--no-cache"];
  const text = await output(folder, jest);
  assert.match(text, /Tests: +3 passed, 3 total/, text);
});
