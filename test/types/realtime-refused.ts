/** Realtime sessions and websockets that must not compile. Nothing here runs: the type check is the test. */
import { Type, type Static } from "typebox";
import {
  App,
  realtime,
  websocket,
  type BatchContext,
  type RawWebSocket,
  type RequestContext,
} from "../../src/index.ts";

const Prompt = Type.Object({ prompt: Type.String(), steps: Type.Integer({ default: 25 }) });
type Prompt = Static<typeof Prompt>;
const Picture = Type.Object({ url: Type.String(), seed: Type.Integer() });
type Picture = Static<typeof Picture>;
type Anything = ReturnType<typeof JSON.parse>;
declare const picture: Picture;
declare const anything: Anything;

export class Unary extends App {
  // @ts-expect-error the input is any
  @realtime("/any", { input: Prompt, output: Picture })
  any(_input: Anything): Picture {
    return picture;
  }

  // @ts-expect-error the input is any, without a schema
  @realtime("/any-untyped")
  anyUntyped(_input: Anything): object {
    return {};
  }

  // @ts-expect-error a field of another type
  @realtime("/field", { input: Prompt, output: Picture })
  field(_input: { prompt: number }): Picture {
    return picture;
  }

  // @ts-expect-error without a schema the type of the input is unknown
  @realtime("/untyped")
  untyped(_input: Prompt): object {
    return {};
  }

  // @ts-expect-error a session without a schema also gets the input as its first argument
  @realtime("/context")
  context(_ctx: RequestContext): object {
    return {};
  }

  // @ts-expect-error an array without maxBatchSize
  @realtime("/array", { input: Prompt, output: Picture })
  array(_inputs: Prompt[]): Picture {
    return picture;
  }

  // @ts-expect-error an array with a maxBatchSize of 1
  @realtime("/array-of-one", { input: Prompt, output: Picture, maxBatchSize: 1 })
  arrayOfOne(_inputs: Prompt[]): Picture {
    return picture;
  }

  // @ts-expect-error a stream of inputs without a mode
  @realtime("/stream", { input: Prompt, output: Picture })
  stream(_inputs: AsyncIterable<Prompt>): Picture {
    return picture;
  }

  // @ts-expect-error the context is any
  @realtime("/any-context", { input: Prompt, output: Picture })
  anyContext(_input: Prompt, _ctx: Anything): Picture {
    return picture;
  }

  // @ts-expect-error the second argument is the context, not a string
  @realtime("/string-context", { input: Prompt, output: Picture })
  stringContext(_input: Prompt, _ctx: string): Picture {
    return picture;
  }

  // @ts-expect-error there is no third argument
  @realtime("/third", { input: Prompt, output: Picture })
  third(_input: Prompt, _ctx: RequestContext, _more?: number): Picture {
    return picture;
  }
}

export class Results extends App {
  // @ts-expect-error the result is any
  @realtime("/any", { input: Prompt, output: Picture })
  any(_input: Prompt): Anything {
    return anything;
  }

  // @ts-expect-error the promised result is any
  @realtime("/any-later", { input: Prompt, output: Picture })
  async anyLater(_input: Prompt): Promise<Anything> {
    return anything;
  }

  // @ts-expect-error the result is any, without a schema
  @realtime("/any-untyped", { input: Prompt })
  anyUntyped(_input: Prompt): Anything {
    return anything;
  }

  // @ts-expect-error a field of another type
  @realtime("/field", { input: Prompt, output: Picture })
  field(_input: Prompt) {
    return { url: "data:,", seed: "7" };
  }

  // @ts-expect-error the result may be undefined
  @realtime("/void", { input: Prompt, output: Picture })
  async void(_input: Prompt): Promise<Picture | undefined> {
    return picture;
  }

  // @ts-expect-error an output must be a map
  @realtime("/text", { input: Prompt })
  text(_input: Prompt): string {
    return "text";
  }

  // @ts-expect-error an output must be a map, not void
  @realtime("/nothing", { input: Prompt })
  nothing(_input: Prompt): void {}

  // @ts-expect-error a list of outputs without maxBatchSize
  @realtime("/list", { input: Prompt, output: Picture })
  list(_input: Prompt): Picture[] {
    return [];
  }

  // @ts-expect-error an output must be a map, not a list, even without an output schema
  @realtime("/list-untyped", { input: Prompt })
  listUntyped(_input: Prompt): string[] {
    return [];
  }

  // @ts-expect-error an output must be a map, even if the schema is a list
  @realtime("/list-schema", { input: Prompt, output: Type.Array(Picture) })
  listSchema(_input: Prompt): Picture[] {
    return [];
  }

  // @ts-expect-error an async generator without a mode
  @realtime("/generator", { input: Prompt, output: Picture })
  async *generator(_input: Prompt): AsyncGenerator<Picture> {}

  // @ts-expect-error an async generator without a mode or any schema
  @realtime("/generator-untyped")
  async *generatorUntyped(): AsyncGenerator<object> {}
}

export class Batches extends App {
  // @ts-expect-error a single input where maxBatchSize gives an array
  @realtime("/single", { input: Prompt, output: Picture, maxBatchSize: 4 })
  single(_input: Prompt): Picture {
    return picture;
  }

  // @ts-expect-error a single untyped input where maxBatchSize gives an array
  @realtime("/single-untyped", { maxBatchSize: 4 })
  singleUntyped(_input: Record<string, unknown>): object {
    return {};
  }

  // @ts-expect-error an array of another type
  @realtime("/items", { input: Prompt, output: Picture, maxBatchSize: 4 })
  items(_inputs: Picture[]): Picture[] {
    return [];
  }

  // @ts-expect-error outputs of another type
  @realtime("/outputs", { input: Prompt, output: Picture, maxBatchSize: 4 })
  outputs(inputs: Prompt[]): Prompt[] {
    return inputs;
  }

  // @ts-expect-error outputs are any
  @realtime("/any", { input: Prompt, output: Picture, maxBatchSize: 4 })
  any(_inputs: Prompt[]): Anything[] {
    return [];
  }
}

export class SharedBatches extends App {
  // @ts-expect-error a single input where a shared batch gives an array
  @realtime("/single", { input: Prompt, output: Picture, batch: "shared", maxBatchSize: 4 })
  single(_input: Prompt): Picture[] {
    return [];
  }

  // @ts-expect-error a single output where a shared batch needs one per input
  @realtime("/one", { input: Prompt, output: Picture, batch: "shared", maxBatchSize: 4 })
  one(_inputs: Prompt[]): Picture {
    return picture;
  }

  // @ts-expect-error outputs of another type
  @realtime("/outputs", { input: Prompt, output: Picture, batch: "shared", maxBatchSize: 4 })
  outputs(inputs: Prompt[]): (Prompt | Error)[] {
    return inputs;
  }

  // @ts-expect-error outputs are any
  @realtime("/any", { input: Prompt, output: Picture, batch: "shared", maxBatchSize: 4 })
  any(_inputs: Prompt[]): Anything[] {
    return [];
  }

  // @ts-expect-error a shared batch gets a BatchContext, not a session's context
  @realtime("/context", { input: Prompt, output: Picture, batch: "shared", maxBatchSize: 4 })
  context(_inputs: Prompt[], _ctx: RequestContext): Picture[] {
    return [];
  }

  // @ts-expect-error there is no third argument
  @realtime("/third", { input: Prompt, output: Picture, batch: "shared", maxBatchSize: 4 })
  third(_inputs: Prompt[], _batch: BatchContext, _more?: number): Picture[] {
    return [];
  }

  // @ts-expect-error a batch of one session gets that session's context
  @realtime("/own", { input: Prompt, output: Picture, maxBatchSize: 4 })
  own(_inputs: Prompt[], _batch: BatchContext): Picture[] {
    return [];
  }

  // @ts-expect-error only shared batches allow errors among the outputs
  @realtime("/errors", { input: Prompt, output: Picture, maxBatchSize: 4 })
  errors(_inputs: Prompt[]): (Picture | Error)[] {
    return [];
  }

  // @ts-expect-error an unknown kind of batch
  @realtime("/option", { input: Prompt, output: Picture, batch: "all", maxBatchSize: 4 })
  option(_inputs: Prompt[]): Picture[] {
    return [];
  }
}

export class ServerStreams extends App {
  // @ts-expect-error the result is not an async iterable
  @realtime("/plain", { input: Prompt, output: Picture, mode: "server_streaming" })
  plain(_input: Prompt): Picture {
    return picture;
  }

  // @ts-expect-error an async method is not a generator
  @realtime("/async", { input: Prompt, output: Picture, mode: "server_streaming" })
  async async(_input: Prompt): Promise<Picture> {
    return picture;
  }

  // @ts-expect-error a list is not an async iterable
  @realtime("/list", { input: Prompt, output: Picture, mode: "server_streaming" })
  list(_input: Prompt): Picture[] {
    return [];
  }

  // @ts-expect-error items of another type
  @realtime("/items", { input: Prompt, output: Picture, mode: "server_streaming" })
  async *items(_input: Prompt): AsyncGenerator<Prompt> {}

  // @ts-expect-error items are any
  @realtime("/any-items", { input: Prompt, output: Picture, mode: "server_streaming" })
  async *anyItems(_input: Prompt): AsyncGenerator<Anything> {}

  // @ts-expect-error items must be maps
  @realtime("/numbers", { input: Prompt, mode: "server_streaming" })
  async *numbers(_input: Prompt): AsyncGenerator<number> {}

  // @ts-expect-error this mode passes one input, not a stream of inputs
  @realtime("/inputs", { input: Prompt, output: Picture, mode: "server_streaming" })
  async *inputs(_inputs: AsyncIterable<Prompt>): AsyncGenerator<Picture> {}
}

export class ClientStreams extends App {
  // @ts-expect-error this mode passes a stream of inputs, not one input
  @realtime("/single", { input: Prompt, output: Picture, mode: "client_streaming" })
  single(_input: Prompt): Picture {
    return picture;
  }

  // @ts-expect-error this mode passes a stream of inputs, not an array
  @realtime("/array", { input: Prompt, output: Picture, mode: "client_streaming" })
  array(_inputs: Prompt[]): Picture {
    return picture;
  }

  // @ts-expect-error inputs of another type
  @realtime("/inputs", { input: Prompt, output: Picture, mode: "client_streaming" })
  inputs(_inputs: AsyncIterable<Picture>): Picture {
    return picture;
  }

  // @ts-expect-error the stream is any
  @realtime("/any", { input: Prompt, output: Picture, mode: "client_streaming" })
  any(_inputs: Anything): Picture {
    return picture;
  }

  // @ts-expect-error this mode returns one output, not a stream of outputs
  @realtime("/generator", { input: Prompt, output: Picture, mode: "client_streaming" })
  async *generator(_inputs: AsyncIterable<Prompt>): AsyncGenerator<Picture> {}

  // @ts-expect-error an output of another type
  @realtime("/output", { input: Prompt, output: Picture, mode: "client_streaming" })
  async output(_inputs: AsyncIterable<Prompt>): Promise<Prompt> {
    return { prompt: "", steps: 1 };
  }
}

export class Bidi extends App {
  // @ts-expect-error one input where a stream is passed
  @realtime("/single", { input: Prompt, output: Picture, mode: "bidi" })
  async *single(_input: Prompt): AsyncGenerator<Picture> {}

  // @ts-expect-error one output where a stream is returned
  @realtime("/output", { input: Prompt, output: Picture, mode: "bidi" })
  async output(_inputs: AsyncIterable<Prompt>): Promise<Picture> {
    return picture;
  }

  // @ts-expect-error items of another type
  @realtime("/items", { input: Prompt, output: Picture, mode: "bidi" })
  async *items(inputs: AsyncIterable<Prompt>): AsyncGenerator<Prompt> {
    yield* inputs;
  }
}

export class Options extends App {
  // @ts-expect-error an unknown mode
  @realtime("/mode", { mode: "stream" })
  mode(): object {
    return {};
  }

  // @ts-expect-error an unknown option
  @realtime("/option", { stream: true })
  option(): object {
    return {};
  }

  // @ts-expect-error buffering is a number
  @realtime("/buffering", { buffering: "2" })
  buffering(): object {
    return {};
  }

  // @ts-expect-error a frame is a string or bytes
  @realtime("/codec", { encodeMessage: () => 5, decodeMessage: () => ({}) })
  codec(): object {
    return {};
  }

  // @ts-expect-error canBatch returns a boolean
  @realtime("/batch", { maxBatchSize: 2, canBatch: () => "yes" })
  batch(): object {
    return {};
  }

  // @ts-expect-error the path is missing
  @realtime({ input: Prompt })
  path(): object {
    return {};
  }
}

export class Raw extends App {
  // @ts-expect-error the socket comes first
  @websocket("/order")
  order(_ctx: RequestContext, _socket: RawWebSocket): void {}

  // @ts-expect-error there is no third argument
  @websocket("/third")
  third(_socket: RawWebSocket, _ctx: RequestContext, _more: number): void {}

  // @ts-expect-error the socket is not a string
  @websocket("/text")
  text(_socket: string): void {}

  // @ts-expect-error a raw websocket has no schemas
  @websocket("/input", { input: Prompt })
  input(_socket: RawWebSocket): void {}
}
