/** Realtime sessions and websockets that must compile. Nothing here runs: the type check is the test. */
import { Type, type Static } from "typebox";
import {
  App,
  BaseServable,
  realtime,
  websocket,
  type BatchContext,
  type RawWebSocket,
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
declare const picture: Picture;
declare const size: number;

export class Unary extends App {
  @realtime("/bare")
  bare(): object {
    return {};
  }

  @realtime("/untyped")
  untyped(input: Record<string, unknown>): Record<string, unknown> {
    return input;
  }

  @realtime("/unknown")
  unknown(_input: unknown, _ctx: unknown): object {
    return {};
  }

  @realtime("/sync", { input: Prompt, output: Picture })
  sync(input: Prompt): Picture {
    return { url: input.prompt };
  }

  @realtime("/async", { input: Prompt, output: Picture, mode: "unary" })
  async async(input: Prompt, ctx: RequestContext): Promise<Picture> {
    return { url: `${ctx.requestId}${input.steps.toFixed()}` };
  }

  @realtime("/either", { input: Prompt, output: Picture })
  either(input: Prompt): Picture | Promise<Picture> {
    return input.steps > 1 ? picture : Promise.resolve(picture);
  }

  @realtime("/part", { input: Prompt, output: Picture })
  part({ prompt }: Pick<Prompt, "prompt">, { signal }: Pick<RequestContext, "signal">): Picture {
    return { url: signal.aborted ? "" : prompt };
  }

  @realtime("/optional", { input: Prompt, output: Picture })
  optional(_input: Prompt, _ctx?: RequestContext): Picture {
    return picture;
  }

  @realtime("/ignores", { input: Prompt, output: Picture })
  ignores(): Picture {
    return picture;
  }

  @realtime("/more", { input: Prompt, output: Picture })
  more(): Picture & { debug: string } {
    return { ...picture, debug: "" };
  }

  @realtime("/any-map", { input: Prompt })
  anyMap(input: Prompt): { echoed: string } {
    return { echoed: input.prompt };
  }

  @realtime("/union", { input: Shape, output: Shape })
  union(input: Shape): Shape {
    return input.kind === "circle" ? { kind: "square", side: input.radius } : input;
  }

  @realtime("/fails", { input: Prompt, output: Picture })
  fails(_input: Prompt): never {
    throw new Error("always");
  }

  @realtime("/fails-later", { output: Picture })
  async failsLater(): Promise<never> {
    throw new Error("always");
  }

  @realtime("/options", {
    input: Prompt,
    output: Picture,
    buffering: 2,
    sessionTimeout: 1.5,
    emitTimings: true,
    contentType: "text/own",
    encodeMessage: (message) => JSON.stringify(message),
    decodeMessage: (frame) => JSON.parse(typeof frame === "string" ? frame : new TextDecoder().decode(frame)),
    description: "All of them.",
  })
  options(_input: Prompt): Picture {
    return picture;
  }
}

export class Batches extends App {
  @realtime("/each", { input: Prompt, output: Picture, maxBatchSize: 4 })
  each(inputs: Prompt[]): Picture[] {
    return inputs.map(({ prompt }) => ({ url: prompt }));
  }

  @realtime("/one", { input: Prompt, output: Picture, maxBatchSize: 4 })
  async one(inputs: readonly Prompt[], _ctx: RequestContext): Promise<Picture> {
    return { url: inputs.map(({ prompt }) => prompt).join() };
  }

  @realtime("/untyped", { maxBatchSize: 2 })
  untyped(inputs: Record<string, unknown>[]): object[] {
    return inputs;
  }

  @realtime("/empty", { input: Prompt, output: Picture, maxBatchSize: 2 })
  empty(_inputs: Prompt[]) {
    return [];
  }

  @realtime("/rule", {
    input: Prompt,
    output: Picture,
    maxBatchSize: 4,
    canBatch: (_first, _next, length) => length < 3,
  })
  rule(inputs: Iterable<Prompt>): Picture[] {
    return [...inputs].map(() => picture);
  }

  // A size known only at run time may exceed 1, so the method gets arrays.
  @realtime("/variable", { input: Prompt, output: Picture, maxBatchSize: size })
  variable(inputs: Prompt[]): Picture[] {
    return inputs.map(() => picture);
  }

  @realtime("/single", { input: Prompt, output: Picture, maxBatchSize: 1 })
  single(input: Prompt): Picture {
    return { url: input.prompt };
  }
}

export class SharedBatches extends App {
  @realtime("/each", { input: Prompt, output: Picture, batch: "shared", maxBatchSize: 4 })
  each(inputs: Prompt[], { requests }: BatchContext): Picture[] {
    return inputs.map(({ prompt }, index) => ({ url: `${prompt}${requests[index]?.requestId}` }));
  }

  @realtime("/errors", { input: Prompt, output: Picture, batch: "shared", maxBatchSize: 4 })
  async errors(inputs: readonly Prompt[]): Promise<(Picture | Error)[]> {
    return inputs.map(({ steps }) => (steps > 0 ? picture : new RangeError("no steps")));
  }

  @realtime("/untyped", { batch: "shared", maxBatchSize: 4 })
  untyped(inputs: Record<string, unknown>[]): (object | Error)[] {
    return inputs;
  }

  @realtime("/variable", { input: Prompt, output: Picture, batch: "shared", maxBatchSize: size })
  variable(inputs: Prompt[]): Picture[] {
    return inputs.map(() => picture);
  }

  @realtime("/own", { input: Prompt, output: Picture, batch: "session", maxBatchSize: 4 })
  own(inputs: Prompt[], _ctx: RequestContext): Picture {
    return { url: inputs.map(({ prompt }) => prompt).join() };
  }
}

export class ServerStreams extends App {
  @realtime("/generator", { input: Prompt, output: Picture, mode: "server_streaming" })
  async *generator(input: Prompt, _ctx: RequestContext): AsyncGenerator<Picture> {
    yield { url: input.prompt };
  }

  @realtime("/inferred", { input: Prompt, output: Picture, mode: "server_streaming" })
  async *inferred({ prompt }: Prompt) {
    yield { url: prompt };
  }

  @realtime("/iterable", { input: Prompt, output: Picture, mode: "server_streaming" })
  iterable(input: Prompt): AsyncIterable<Picture> {
    return this.inferred(input);
  }

  @realtime("/later", { input: Prompt, output: Picture, mode: "server_streaming" })
  async later(input: Prompt): Promise<AsyncIterable<Picture>> {
    return this.inferred(input);
  }

  @realtime("/untyped", { mode: "server_streaming" })
  async *untyped(_input: Record<string, unknown>): AsyncGenerator<object> {}
}

export class ClientStreams extends App {
  @realtime("/sum", { input: Prompt, output: Picture, mode: "client_streaming" })
  async sum(inputs: AsyncIterable<Prompt>, _ctx: RequestContext): Promise<Picture> {
    for await (const { prompt } of inputs) return { url: prompt };
    return picture;
  }

  @realtime("/ignores", { input: Prompt, output: Picture, mode: "client_streaming" })
  ignores(): Picture {
    return picture;
  }

  @realtime("/untyped", { mode: "client_streaming" })
  async untyped(inputs: AsyncIterable<Record<string, unknown>>): Promise<object> {
    for await (const input of inputs) return input;
    return {};
  }
}

export class Bidi extends App {
  @realtime("/both", { input: Prompt, output: Picture, mode: "bidi" })
  async *both(inputs: AsyncIterable<Prompt>, _ctx: RequestContext): AsyncGenerator<Picture> {
    for await (const { prompt } of inputs) yield { url: prompt };
  }

  @realtime("/untyped", { mode: "bidi" })
  async *untyped(inputs: AsyncIterable<Record<string, unknown>>): AsyncGenerator<object> {
    yield* inputs;
  }
}

export class Raw extends App {
  @websocket("/nothing")
  nothing(): void {}

  @websocket("/socket", { description: "Echoes." })
  socket(socket: RawWebSocket): void {
    socket.on("message", (data, isBinary) => socket.send(isBinary ? data : data.toString()));
  }

  @websocket("/both")
  async both(socket: RawWebSocket, ctx: RequestContext): Promise<void> {
    ctx.signal.addEventListener("abort", () => socket.terminate());
  }

  @websocket("/part")
  part({ send }: Pick<RawWebSocket, "send">): void {
    send("hello");
  }
}

/** A base class with a parameter: its sessions are checked once, its subclasses implement the rest. */
abstract class Runs<Model> extends BaseServable {
  protected abstract load(): Promise<Model>;
  protected abstract apply(model: Model, prompt: string): string;

  @realtime("/", { input: Prompt, output: Picture })
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

  @realtime("/again", { input: Prompt, output: Picture })
  override async run(input: Prompt): Promise<Picture> {
    return super.run(input);
  }
}
