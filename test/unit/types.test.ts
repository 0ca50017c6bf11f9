import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryFolder } from "../helpers/second-copy.ts";
import { compile } from "../helpers/typescript.ts";

/** Wrong methods, and the sentence their author should read. */
const WRONG: Readonly<Record<string, readonly [options: string, method: string, sentence: string]>> = {
  "any-input": [
    "{ input: Prompt }",
    "run(input: any): void {}",
    "@endpoint: the input is `any`; write (input: Static<typeof Schema>) with the schema given as `input`",
  ],
  "any-context": [
    "{}",
    "run(ctx: any): void {}",
    "@endpoint: the argument is `any`; write (ctx: RequestContext), or give the endpoint an `input` schema",
  ],
  "any-second": [
    "{ input: Prompt }",
    "run(input: Prompt, ctx: any): void {}",
    "@endpoint: the context is `any`; write (input, ctx: RequestContext)",
  ],
  "any-result": [
    "{ output: Prompt }",
    "async run(): Promise<any> {}",
    "@endpoint: the result is `any`; give the method a return type that fits the `output` schema",
  ],
  "wrong-input": [
    "{ input: Prompt }",
    "run(input: { prompt: number }): void {}",
    "@endpoint: the first parameter does not accept the input; write (input: Static<typeof Schema>)",
  ],
  "no-input-schema": [
    "{}",
    "run(input: Prompt): void {}",
    "@endpoint: without an `input` schema the method gets (ctx: RequestContext); add `input` to take a body",
  ],
  "wrong-context": [
    "{ input: Prompt }",
    "run(input: Prompt, ctx: string): void {}",
    "@endpoint: the second parameter is the context; write (input, ctx: RequestContext)",
  ],
  "wrong-result": [
    "{ output: Prompt }",
    "run() { return { prompt: 5 }; }",
    "@endpoint: the result does not fit the `output` schema; return Static<typeof Schema>",
  ],
  "wrong-item": [
    "{ output: Prompt, stream: true }",
    "async *run() { yield 5; }",
    "@endpoint: a streamed item does not fit the `output` schema; return Static<typeof Schema>",
  ],
  "no-generator": [
    "{ output: Prompt, stream: true }",
    "async run(): Promise<Prompt> { return { prompt: '' }; }",
    "@endpoint: with `stream: true` the method must return an async iterable; write `async *name(…)`",
  ],
  "no-stream": [
    "{ output: Prompt }",
    "async *run(): AsyncGenerator<Prompt> {}",
    "@endpoint: the method returns an async iterable; add `stream: true`",
  ],
  "too-many": [
    "{ input: Prompt }",
    "run(input: Prompt, ctx: RequestContext, more: number): void {}",
    "@endpoint: the method is called with (input, ctx) and nothing more",
  ],
  "too-many-without-input": [
    "{}",
    "run(ctx: RequestContext, more: number): void {}",
    "@endpoint: an endpoint without an `input` schema is called with (ctx) alone",
  ],
};

const folder = temporaryFolder();
const printed = compile(
  folder,
  Object.fromEntries(
    Object.entries(WRONG).map(([name, [options, method]]) => [
      `${name}.ts`,
      `import { Type, type Static } from "typebox";
       import { App, endpoint, type RequestContext } from "../../src/index.ts";
       const Prompt = Type.Object({ prompt: Type.String() });
       type Prompt = Static<typeof Prompt>;
       export class Served extends App {
         @endpoint("/", ${options})
         ${method}
       }`,
    ]),
  ),
);

for (const [name, [, method, sentence]] of Object.entries(WRONG)) {
  test(`the compiler says what to write instead of: ${method}`, () => {
    const errors = printed.split(/^(?=\S)/m).filter((error) => error.startsWith(`${name}.ts(`));
    assert.equal(errors.length, 1, `one error, not ${errors.length}:\n${errors.join("")}`);
    const [error = ""] = errors;
    assert.ok(error.includes(sentence), `the sentence is not in:\n${error}`);
    assert.match(error, /\.ts\(6,\d+\)/, "the error is shown at the decorator");
  });
}

test("nothing else is wrong with those classes", () => {
  const files = new Set(printed.split("\n").flatMap((line) => /^(\S+)\.ts\(/.exec(line)?.[1] ?? []));
  assert.deepEqual([...files].sort(), Object.keys(WRONG).sort());
});
