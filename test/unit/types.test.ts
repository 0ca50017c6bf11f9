import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryFolder } from "../helpers/second-copy.ts";
import { compile } from "../helpers/typescript.ts";

type Wrong = Readonly<Record<string, readonly [options: string, method: string, sentence: string]>>;

/** Invalid methods, and the compile error that their author should see. */
const WRONG_ENDPOINTS: Wrong = {
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

const WRONG_SESSIONS: Wrong = {
  "rt-any-input": [
    "{ input: Prompt }",
    "run(input: any): object { return {}; }",
    "@realtime: the input is `any`; write its type, Static<typeof Schema>",
  ],
  "rt-wrong-input": [
    "{ input: Prompt }",
    "run(input: { prompt: number }): object { return {}; }",
    "@realtime: the first parameter does not accept the input; write (input: Static<typeof Schema>, ctx)",
  ],
  "rt-no-array": [
    "{ input: Prompt, maxBatchSize: 4 }",
    "run(input: Prompt): object { return {}; }",
    "@realtime: with maxBatchSize above 1 the method gets an array; write (inputs: Static<typeof Schema>[], ctx)",
  ],
  "rt-no-stream-in": [
    '{ input: Prompt, mode: "bidi" }',
    "async *run(input: Prompt): AsyncGenerator<object> {}",
    "@realtime: in this mode the method gets a stream; write (inputs: AsyncIterable<Static<typeof Schema>>, ctx)",
  ],
  "rt-no-stream-out": [
    '{ input: Prompt, output: Prompt, mode: "server_streaming" }',
    "async run(input: Prompt): Promise<Prompt> { return input; }",
    "@realtime: in this mode the method must return an async iterable; write `async *name(…)`",
  ],
  "rt-no-mode": [
    "{ input: Prompt, output: Prompt }",
    "async *run(input: Prompt): AsyncGenerator<Prompt> {}",
    "@realtime: the method returns an async iterable; add `mode: 'server_streaming'`",
  ],
  "rt-half-mode": [
    '{ input: Prompt, output: Prompt, mode: "client_streaming" }',
    "async *run(inputs: AsyncIterable<Prompt>): AsyncGenerator<Prompt> {}",
    "@realtime: the method returns an async iterable; write `mode: 'bidi'` for streams both ways",
  ],
  "rt-any-result": [
    "{ input: Prompt, output: Prompt }",
    "run(input: Prompt): any { return {}; }",
    "@realtime: a result is `any`; give the method a return type that fits the `output` schema",
  ],
  "rt-wrong-result": [
    "{ input: Prompt, output: Prompt }",
    "run(input: Prompt) { return { prompt: 5 }; }",
    "@realtime: a result does not fit the `output` schema, or is not an object; return Static<typeof Schema>",
  ],
  "rt-list": [
    "{ input: Prompt, output: Prompt }",
    "run(input: Prompt): Prompt[] { return [input]; }",
    "@realtime: a result is a list; outputs are objects, put the list into one",
  ],
  "rt-any-context": [
    "{ input: Prompt }",
    "run(input: Prompt, ctx: any): object { return {}; }",
    "@realtime: the context is `any`; write (…, ctx: RequestContext)",
  ],
  "rt-wrong-context": [
    "{ input: Prompt }",
    "run(input: Prompt, ctx: string): object { return {}; }",
    "@realtime: the second parameter is the context; write (…, ctx: RequestContext)",
  ],
  "rt-too-many": [
    "{ input: Prompt }",
    "run(input: Prompt, ctx: RequestContext, more: number): object { return {}; }",
    "@realtime: the method is called with (input, ctx) and nothing more",
  ],
};

const WRONG: Wrong = { ...WRONG_ENDPOINTS, ...WRONG_SESSIONS };

const folder = temporaryFolder();
const printed = compile(
  folder,
  Object.fromEntries(
    Object.entries(WRONG).map(([name, [options, method]]) => [
      `${name}.ts`,
      `import { Type, type Static } from "typebox";
       import { App, endpoint, realtime, type RequestContext } from "../../src/index.ts";
       const Prompt = Type.Object({ prompt: Type.String() });
       type Prompt = Static<typeof Prompt>;
       export class Served extends App {
         @${name in WRONG_SESSIONS ? "realtime" : "endpoint"}("/", ${options})
         ${method}
       }`,
    ]),
  ),
);

for (const [name, [, method, sentence]] of Object.entries(WRONG)) {
  test(`the compile error says what to write instead of: ${method}`, () => {
    const errors = printed.split(/^(?=\S)/m).filter((error) => error.startsWith(`${name}.ts(`));
    assert.equal(errors.length, 1, `one error, not ${errors.length}:\n${errors.join("")}`);
    const [error = ""] = errors;
    assert.ok(error.includes(sentence), `the sentence is not in:\n${error}`);
    assert.match(error, /\.ts\(6,\d+\)/, "the error is shown at the decorator");
  });
}

test("those classes have no other compile errors", () => {
  const files = new Set(printed.split("\n").flatMap((line) => /^(\S+)\.ts\(/.exec(line)?.[1] ?? []));
  assert.deepEqual([...files].sort(), Object.keys(WRONG).sort());
});
