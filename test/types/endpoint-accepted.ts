/** Endpoints that must compile. Nothing here runs: the type check is the test. */
import { Readable } from "node:stream";
import { Type, type Static, type TSchema } from "typebox";
import {
  App,
  BaseServable,
  bytes,
  endpoint,
  event,
  raw,
  type StreamEvent,
  file,
  type FileAnswer,
  type BatchContext,
  type RequestContext,
} from "../../src/index.ts";

const Prompt = Type.Object({
  prompt: Type.String(),
  steps: Type.Integer({ default: 25 }),
  seed: Type.Optional(Type.Integer()),
});
type Prompt = Static<typeof Prompt>;
const Picture = Type.Object({ url: Type.String(), seed: Type.Optional(Type.Integer()) });
type Picture = Static<typeof Picture>;
const Shape = Type.Union([
  Type.Object({ kind: Type.Literal("circle"), radius: Type.Number() }),
  Type.Object({ kind: Type.Literal("square"), side: Type.Number() }),
]);
type Shape = Static<typeof Shape>;
const Tree = Type.Cyclic(
  { Tree: Type.Object({ label: Type.String(), children: Type.Array(Type.Ref("Tree")) }) },
  "Tree",
);
type Tree = Static<typeof Tree>;
declare const picture: Picture;
declare const size: number;

export class Unary extends App {
  @endpoint("/")
  nothing(): void {}

  @endpoint("/sync", { input: Prompt, output: Picture })
  sync(input: Prompt): Picture {
    return { url: input.prompt };
  }

  @endpoint("/async", { input: Prompt, output: Picture })
  async async(input: Prompt, ctx: RequestContext): Promise<Picture> {
    return { url: `${ctx.requestId}${input.steps.toFixed()}` };
  }

  @endpoint("/either", { input: Prompt, output: Picture })
  either(input: Prompt): Picture | Promise<Picture> {
    return input.steps > 1 ? picture : Promise.resolve(picture);
  }

  @endpoint("/context")
  context(ctx: RequestContext): string {
    return ctx.requestId;
  }

  @endpoint("/context-part")
  contextPart({ signal }: Pick<RequestContext, "signal">): boolean {
    return signal.aborted;
  }

  @endpoint("/context-optional", { input: Prompt })
  contextOptional(_input: Prompt, _ctx?: RequestContext): void {}

  @endpoint("/ignores", { input: Prompt, output: Picture })
  ignores(): Picture {
    return picture;
  }

  @endpoint("/destructured", { input: Prompt })
  destructured({ prompt, seed = 5 }: Prompt): string {
    return prompt + seed.toFixed();
  }

  @endpoint("/narrower", { input: Prompt, output: Picture })
  narrower(_input: Prompt): { url: "data:,"; seed: 7 } {
    return { url: "data:,", seed: 7 };
  }

  @endpoint("/more", { output: Picture })
  more(): Picture & { debug: string } {
    return { ...picture, debug: "dropped on the way out" };
  }

  @endpoint("/wider", { input: Prompt })
  wider(_input: { prompt: string | number }): void {}

  @endpoint("/unknown", { input: Prompt })
  unknown(_input: unknown, _ctx: unknown): void {}

  @endpoint("/untyped", { input: Prompt })
  untyped(_input: Prompt): unknown {
    return JSON.parse("5");
  }

  @endpoint("/untyped-later")
  async untypedLater(): Promise<ReturnType<typeof JSON.parse>> {
    return JSON.parse("5");
  }

  @endpoint("/fails", { input: Prompt, output: Picture })
  fails(_input: Prompt): never {
    throw new Error("always");
  }

  @endpoint("/fails-later", { output: Picture })
  async failsLater(): Promise<never> {
    throw new Error("always");
  }

  @endpoint("/union", { input: Shape, output: Shape })
  union(input: Shape): Shape {
    return input.kind === "circle" ? { kind: "square", side: input.radius } : input;
  }

  @endpoint("/tree", { input: Tree, output: Tree })
  tree(input: Tree): Tree {
    return { label: input.label, children: input.children.map(({ label }) => ({ label, children: [] })) };
  }

  @endpoint("/text", { input: Type.String(), output: Type.String() })
  text(input: string): string {
    return input;
  }

  @endpoint("/rest", { input: Type.Record(Type.String(), Type.Number()), output: Type.Array(Type.Number()) })
  record(input: Record<string, number>): number[] {
    return Object.values(input);
  }
}

export class Events extends App {
  @endpoint("/events", { output: Picture, stream: true })
  async *events(): AsyncGenerator<Picture | StreamEvent<Picture>> {
    yield picture;
    yield event({ event: "picture", data: picture });
    yield event({ event: "text", data: raw("text") });
    yield event({ id: "1" });
    yield raw("[DONE]");
  }

  @endpoint("/optional", { input: Prompt, output: Picture, item: Type.Integer(), stream: "optional" })
  async optional({ steps }: Prompt): Promise<Picture | AsyncGenerator<number>> {
    return steps > 1 ? this.steps() : picture;
  }

  @endpoint("/either", { output: Picture, item: Type.Integer(), stream: "optional" })
  either(ctx: RequestContext): Promise<Picture> | AsyncIterable<number | StreamEvent<number>> {
    return ctx.cookies["stream"] === undefined ? Promise.resolve(picture) : this.steps();
  }

  async *steps(): AsyncGenerator<number> {
    yield 1;
  }
}

export class Streams extends App {
  @endpoint("/async", { input: Prompt, output: Picture, stream: true })
  async *async(_input: Prompt): AsyncGenerator<Picture> {
    yield picture;
  }

  @endpoint("/context", { output: Picture, stream: true })
  async *context(_ctx: RequestContext): AsyncGenerator<Picture, void, undefined> {
    yield picture;
  }

  @endpoint("/inferred", { input: Prompt, output: Picture, stream: true })
  async *inferred({ prompt }: Prompt) {
    yield { url: prompt };
  }

  @endpoint("/sync", { output: Type.Integer(), stream: true })
  *sync(): Generator<number> {
    yield 1;
  }

  @endpoint("/list", { output: Type.Integer(), stream: true })
  list(): number[] {
    return [1, 2];
  }

  @endpoint("/iterable", { output: Type.Integer(), stream: true })
  iterable(): AsyncIterable<number> {
    return this.sync2();
  }

  @endpoint("/later", { output: Type.Integer(), stream: true })
  async later(): Promise<AsyncIterable<number>> {
    return this.sync2();
  }

  @endpoint("/readable", { stream: true })
  readable(): ReadableStream<string> {
    return new ReadableStream();
  }

  @endpoint("/untyped", { stream: true })
  async *untyped(): AsyncGenerator<unknown> {}

  async *sync2(): AsyncGenerator<number> {}
}

export class Batches extends App {
  @endpoint("/sync", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  sync(inputs: Prompt[]): Picture[] {
    return inputs.map(({ prompt }) => ({ url: prompt }));
  }

  @endpoint("/async", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  async async(inputs: Prompt[], batch: BatchContext): Promise<(Picture | Error)[]> {
    const { requests, signal, log } = batch;
    log.info(requests.map(({ requestId }) => requestId).join());
    return inputs.map(({ steps }) => (signal.aborted || steps < 0 ? new Error("no steps") : picture));
  }

  @endpoint("/readonly", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  readonly(inputs: readonly Prompt[], { signal }: Pick<BatchContext, "signal">): readonly Picture[] {
    return signal.aborted ? [] : inputs.map(() => picture);
  }

  @endpoint("/iterable", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  iterable(inputs: Iterable<Prompt>): Picture[] {
    return Array.from(inputs, () => picture);
  }

  @endpoint("/ignores", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  ignores(): Picture[] {
    return [picture];
  }

  @endpoint("/errors", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  errors(inputs: Prompt[]): Error[] {
    return inputs.map(() => new TypeError("none"));
  }

  @endpoint("/fails", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  fails(_inputs: Prompt[]): never {
    throw new Error("always");
  }

  @endpoint("/untyped", { input: Prompt, batch: { maxSize: 8 } })
  untyped(inputs: Prompt[]): unknown[] {
    return inputs;
  }

  @endpoint("/more", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  more(inputs: Prompt[]): (Picture & { debug: string })[] {
    return inputs.map(({ prompt }) => ({ ...picture, debug: prompt }));
  }

  @endpoint("/text", { input: Type.String(), output: Type.Integer(), batch: { maxSize: 8 } })
  text(inputs: string[]): number[] {
    return inputs.map((text) => text.length);
  }

  // A size known only at run time gives arrays, too.
  @endpoint("/variable", { input: Prompt, output: Picture, batch: { maxSize: size } })
  variable(inputs: Prompt[]): Picture[] {
    return inputs.map(() => picture);
  }

  @endpoint("/single", { input: Prompt, output: Picture, batch: { maxSize: 1 } })
  single(inputs: Prompt[]): Picture[] {
    return inputs.map(() => picture);
  }

  @endpoint("/options", {
    input: Prompt,
    output: Picture,
    batch: {
      maxSize: 8,
      maxCost: 100,
      cost: ({ steps }) => steps * 2,
      groupBy: ({ prompt, seed }) => prompt.slice(0, 1) + (seed?.toFixed() ?? ""),
      isolateErrors: true,
    },
    maxConcurrency: 2,
    maxQueue: { count: 10, bytes: 1_000 },
    overloadStatus: 503,
    idempotent: true,
    timeoutMs: 500,
  })
  options(inputs: Prompt[]): Picture[] {
    return inputs.map(() => picture);
  }

  // Without an output schema an input may still have defaults: `steps` is a number, not optional.
  @endpoint("/cost", { input: Prompt, batch: { maxSize: 8, cost: ({ steps }) => steps.valueOf() } })
  cost(_inputs: Prompt[]): void[] {
    return [];
  }
}

export class Limits extends App {
  static override workers = { count: 2, devices: ["0", "1"], deviceVariable: "HIP_VISIBLE_DEVICES" };

  @endpoint("/workers", { input: Prompt, workers: 2, idempotent: true })
  workers(_input: Prompt): void {}

  @endpoint("/devices", { workers: { devices: ["0", "1"], module: import.meta.url } })
  devices(): void {}

  @endpoint("/queue", { input: Prompt, output: Picture, maxConcurrency: 1, maxQueue: 5, overloadStatus: 429 })
  queue(_input: Prompt): Picture {
    return picture;
  }

  @endpoint("/stream", { output: Picture, stream: true, maxConcurrency: 1 })
  async *stream(): AsyncGenerator<Picture> {
    yield picture;
  }
}

/** A base class with a parameter: its routes are checked once, its subclasses implement the rest. */
abstract class Runs<Model> extends BaseServable {
  protected abstract load(): Promise<Model>;
  protected abstract apply(model: Model, prompt: string): string;

  @endpoint("/", { input: Prompt, output: Picture })
  async run(input: Prompt): Promise<Picture> {
    return { url: this.apply(await this.load(), input.prompt) };
  }
}

export class RunsNumber extends Runs<number> {
  protected async load(): Promise<number> {
    return 5;
  }
  protected apply(model: number, prompt: string): string {
    return `${prompt}${model.toFixed()}`;
  }

  @endpoint("/again", { input: Prompt, output: Picture })
  override async run(input: Prompt): Promise<Picture> {
    return super.run(input);
  }
}

/** A class for any schema: a type parameter bounded by TypeBox's own type is a schema, too. */
export function createSink<Schema extends TSchema>(schema: Schema): new () => App {
  return class Sink extends App {
    @endpoint("/", { input: schema })
    take(): void {}
  };
}

export class BytesResults extends App {
  @endpoint("/buffer", { output: bytes({ contentType: "image/png" }) })
  buffer(): Buffer {
    return Buffer.from("");
  }

  @endpoint("/either-form", { input: Prompt, output: bytes() })
  async eitherForm(input: Prompt): Promise<Uint8Array | Blob | Response | ArrayBuffer> {
    return input.steps > 1 ? new Blob([]) : new Response("");
  }

  @endpoint("/readable", { output: bytes() })
  readable(): Readable {
    return Readable.from([]);
  }

  @endpoint("/web-stream", { output: bytes() })
  webStream(): ReadableStream {
    return new Blob([]).stream();
  }

  @endpoint("/file", { output: bytes() })
  file(): FileAnswer {
    return file("/tmp/a.png", { root: "/tmp" });
  }

  @endpoint("/free-stream")
  freeStream(ctx: RequestContext): Readable {
    ctx.status(201);
    ctx.setHeader("set-cookie", ["a=1", "b=2"]);
    return Readable.from([]);
  }

  @endpoint("/batched-bytes", { input: Prompt, output: bytes(), batch: { maxSize: 2 } })
  batchedBytes(inputs: Prompt[]): (Uint8Array | FileAnswer | Error)[] {
    return inputs.map(() => new Uint8Array());
  }

  @endpoint("/anything", { output: Type.Any() })
  anything(): { a: number } {
    return { a: 1 };
  }
}
