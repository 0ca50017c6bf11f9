/** Endpoints that must not compile. Nothing here runs: the type check is the test. */
import { Type, type Static } from "typebox";
import {
  App,
  AppException,
  bytes,
  endpoint,
  type StreamEvent,
  type BatchContext,
  type RequestContext,
} from "../../src/index.ts";

const Prompt = Type.Object({ prompt: Type.String(), steps: Type.Integer({ default: 25 }) });
type Prompt = Static<typeof Prompt>;
const Picture = Type.Object({ url: Type.String(), seed: Type.Integer() });
type Picture = Static<typeof Picture>;
declare const picture: Picture;
declare const anything: ReturnType<typeof JSON.parse>;

export class Inputs extends App {
  // @ts-expect-error the input is any
  @endpoint("/any", { input: Prompt, output: Picture })
  any(_input: ReturnType<typeof JSON.parse>): Picture {
    return picture;
  }

  // @ts-expect-error a field of another type
  @endpoint("/field", { input: Prompt, output: Picture })
  field(_input: { prompt: number }): Picture {
    return picture;
  }

  // @ts-expect-error a field that the schema does not have
  @endpoint("/more", { input: Prompt, output: Picture })
  more(_input: Prompt & { seed: number }): Picture {
    return picture;
  }

  // @ts-expect-error only one branch of the union
  @endpoint("/branch", { input: Type.Union([Prompt, Type.String()]) })
  branch(_input: Prompt): void {}

  // @ts-expect-error an optional field may be missing
  @endpoint("/optional", { input: Type.Object({ seed: Type.Optional(Type.Integer()) }) })
  optional(_input: { seed: number }): void {}

  // @ts-expect-error the name of a type is not a schema
  @endpoint("/text", { input: "string" })
  text(): void {}

  // @ts-expect-error a number is not a schema
  @endpoint("/number", { output: 5 })
  number(): unknown {
    return 5;
  }

  // @ts-expect-error an unknown input is not a string
  @endpoint("/unknown", { input: Type.Unknown() })
  unknown(_input: string): void {}

  // @ts-expect-error the output's type where the input's belongs
  @endpoint("/swapped", { input: Prompt, output: Picture })
  swapped(_input: Picture): Picture {
    return picture;
  }

  // @ts-expect-error the context comes second
  @endpoint("/order", { input: Prompt })
  order(_ctx: RequestContext, _input: Prompt): void {}

  // @ts-expect-error a body needs an input schema
  @endpoint("/none")
  none(_input: Prompt): void {}
}

export class Contexts extends App {
  // @ts-expect-error the context is any
  @endpoint("/any", { input: Prompt })
  any(_input: Prompt, _ctx: ReturnType<typeof JSON.parse>): void {}

  // @ts-expect-error the context is any, without an input
  @endpoint("/any-alone")
  anyAlone(_ctx: ReturnType<typeof JSON.parse>): void {}

  // @ts-expect-error the second argument is the context, not a string
  @endpoint("/string", { input: Prompt })
  string(_input: Prompt, _ctx: string): void {}

  // @ts-expect-error the context has no such field
  @endpoint("/field", { input: Prompt })
  field(_input: Prompt, _ctx: RequestContext & { user: string }): void {}

  // @ts-expect-error there is no third argument
  @endpoint("/third", { input: Prompt })
  third(_input: Prompt, _ctx: RequestContext, _more: number): void {}

  // @ts-expect-error there is no third argument, not even an optional one
  @endpoint("/third-optional", { input: Prompt })
  thirdOptional(_input: Prompt, _ctx: RequestContext, _more?: number): void {}

  // @ts-expect-error without an input the context is the only argument
  @endpoint("/second")
  second(_ctx: RequestContext, _more: unknown): void {}
}

export class Results extends App {
  // @ts-expect-error the result is any
  @endpoint("/any", { input: Prompt, output: Picture })
  any(_input: Prompt): ReturnType<typeof JSON.parse> {
    return anything;
  }

  // @ts-expect-error the promised result is any
  @endpoint("/any-later", { input: Prompt, output: Picture })
  async anyLater(_input: Prompt): Promise<ReturnType<typeof JSON.parse>> {
    return anything;
  }

  // @ts-expect-error a field of another type
  @endpoint("/field", { input: Prompt, output: Picture })
  field(_input: Prompt) {
    return { url: "data:,", seed: "7" };
  }

  // @ts-expect-error a field is missing in the promised result
  @endpoint("/missing", { input: Prompt, output: Picture })
  async missing(_input: Prompt) {
    return { url: "data:," };
  }

  // @ts-expect-error one of two results does not fit
  @endpoint("/sometimes", { input: Prompt, output: Picture })
  sometimes(_input: Prompt): Picture | string {
    return picture;
  }

  // @ts-expect-error the result may be undefined
  @endpoint("/void", { input: Prompt, output: Picture })
  async void(_input: Prompt): Promise<Picture | undefined> {
    return picture;
  }

  // @ts-expect-error a list is not its item
  @endpoint("/list", { output: Picture })
  list(): Picture[] {
    return [];
  }
}

export class Events extends App {
  // @ts-expect-error the data does not fit
  @endpoint("/data", { output: Picture, stream: true })
  async *data(): AsyncGenerator<StreamEvent<{ url: number }>> {}

  // @ts-expect-error the item does not fit
  @endpoint("/item", { output: Picture, item: Type.Integer(), stream: "optional" })
  async item(): Promise<Picture | AsyncGenerator<string>> {
    throw new Error("not called");
  }

  // @ts-expect-error the single result does not fit
  @endpoint("/single", { output: Picture, item: Type.Integer(), stream: "optional" })
  async single(): Promise<string | AsyncGenerator<number>> {
    throw new Error("not called");
  }

  // @ts-expect-error never a stream
  @endpoint("/never", { output: Picture, stream: "optional" })
  async never(): Promise<Picture> {
    throw new Error("not called");
  }

  // @ts-expect-error always a stream
  @endpoint("/always", { output: Picture, item: Type.Integer(), stream: "optional" })
  async *always(): AsyncGenerator<number> {}
}

export class Streams extends App {
  // @ts-expect-error stream: true without a generator
  @endpoint("/plain", { input: Prompt, output: Picture, stream: true })
  plain(_input: Prompt): Picture {
    return picture;
  }

  // @ts-expect-error an async method is not a generator
  @endpoint("/async", { input: Prompt, output: Picture, stream: true })
  async async(_input: Prompt): Promise<Picture> {
    return picture;
  }

  // @ts-expect-error a string is iterable but not a stream
  @endpoint("/text", { stream: true })
  text(): string {
    return "abc";
  }

  // @ts-expect-error an async generator without stream: true
  @endpoint("/forgotten", { input: Prompt, output: Picture })
  async *forgotten(_input: Prompt): AsyncGenerator<Picture> {}

  // @ts-expect-error an async generator without stream: true or any schema
  @endpoint("/forgotten-untyped")
  async *forgottenUntyped(): AsyncGenerator<number> {}

  // @ts-expect-error a generator without stream: true
  @endpoint("/forgotten-sync")
  *forgottenSync(): Generator<number> {}

  // @ts-expect-error items of another type
  @endpoint("/items", { input: Prompt, output: Picture, stream: true })
  async *items(_input: Prompt): AsyncGenerator<Prompt> {}

  // @ts-expect-error items are any
  @endpoint("/any-items", { output: Picture, stream: true })
  async *anyItems(): AsyncGenerator<ReturnType<typeof JSON.parse>> {}
}

export class Batches extends App {
  // @ts-expect-error a single input where `batch` gives an array
  @endpoint("/single", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  single(_input: Prompt): Picture[] {
    return [];
  }

  // @ts-expect-error an array of another type
  @endpoint("/items", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  items(_inputs: Picture[]): Picture[] {
    return [];
  }

  // @ts-expect-error the inputs are any
  @endpoint("/any", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  any(_inputs: ReturnType<typeof JSON.parse>): Picture[] {
    return [];
  }

  // @ts-expect-error a single result where `batch` needs one per input
  @endpoint("/result", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  result(_inputs: Prompt[]): Picture {
    return picture;
  }

  // @ts-expect-error the result is missing
  @endpoint("/nothing", { input: Prompt, batch: { maxSize: 8 } })
  nothing(_inputs: Prompt[]): void {}

  // @ts-expect-error results of another type
  @endpoint("/results", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  async results(inputs: Prompt[]): Promise<(Prompt | Error)[]> {
    return inputs;
  }

  // @ts-expect-error some results are missing
  @endpoint("/missing", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  missing(_inputs: Prompt[]): (Picture | undefined)[] {
    return [];
  }

  // @ts-expect-error results are any
  @endpoint("/any-results", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  anyResults(_inputs: Prompt[]): ReturnType<typeof JSON.parse>[] {
    return [];
  }

  // @ts-expect-error a batch gets a BatchContext, not a RequestContext
  @endpoint("/context", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  context(_inputs: Prompt[], _ctx: RequestContext): Picture[] {
    return [];
  }

  // @ts-expect-error the context is any
  @endpoint("/any-context", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  anyContext(_inputs: Prompt[], _batch: ReturnType<typeof JSON.parse>): Picture[] {
    return [];
  }

  // @ts-expect-error there is no third argument
  @endpoint("/third", { input: Prompt, output: Picture, batch: { maxSize: 8 } })
  third(_inputs: Prompt[], _batch: BatchContext, _more?: number): Picture[] {
    return [];
  }

  // @ts-expect-error an array without `batch`
  @endpoint("/array", { input: Prompt, output: Picture })
  array(_inputs: Prompt[]): Picture {
    return picture;
  }

  // @ts-expect-error a BatchContext without `batch`
  @endpoint("/alone", { input: Prompt, output: Picture })
  alone(_input: Prompt, _batch: BatchContext): Picture {
    return picture;
  }

  // @ts-expect-error maxSize is required
  @endpoint("/size", { input: Prompt, output: Picture, batch: {} })
  size(_inputs: Prompt[]): Picture[] {
    return [];
  }

  // @ts-expect-error an unknown option
  @endpoint("/option", { input: Prompt, output: Picture, batch: { maxSize: 8, maxWait: 5 } })
  option(_inputs: Prompt[]): Picture[] {
    return [];
  }

  // @ts-expect-error the input has no such field
  @endpoint("/cost", { input: Prompt, output: Picture, batch: { maxSize: 8, cost: ({ tokens }) => tokens } })
  cost(_inputs: Prompt[]): Picture[] {
    return [];
  }

  // @ts-expect-error a cost is a number
  @endpoint("/cost-text", { input: Prompt, batch: { maxSize: 8, cost: ({ prompt }) => prompt } })
  costText(_inputs: Prompt[]): unknown[] {
    return [];
  }

  // @ts-expect-error a group key is compared by value, and two objects are never equal
  @endpoint("/group", { input: Prompt, output: Picture, batch: { maxSize: 8, groupBy: (input) => input } })
  group(_inputs: Prompt[]): Picture[] {
    return [];
  }
}

export class Limits extends App {
  // @ts-expect-error the status must be 429 or 503
  @endpoint("/status", { overloadStatus: 500 })
  status(): void {}

  // @ts-expect-error a bound is a number, or an object of bounds by name
  @endpoint("/queue", { maxQueue: { size: 5 } })
  queue(): void {}

  // @ts-expect-error devices are strings
  @endpoint("/devices", { workers: { devices: [0, 1] } })
  devices(): void {}
}

export class Options extends App {
  // @ts-expect-error an unknown option
  @endpoint("/option", { timeout: 5 })
  option(): void {}

  // @ts-expect-error a timeout is a number
  @endpoint("/timeout", { timeoutMs: "5s" })
  timeout(): void {}

  // @ts-expect-error the path is missing
  @endpoint({ input: Prompt })
  path(): void {}

  // @ts-expect-error only methods can be endpoints
  @endpoint("/field")
  field = (): void => {};
}

export class BytesResults extends App {
  // @ts-expect-error a text is not bytes
  @endpoint("/text-as-bytes", { output: bytes() })
  textAsBytes(): string {
    return "";
  }

  // @ts-expect-error a Response is not the object of the schema
  @endpoint("/response-as-json", { output: Picture })
  responseAsJson(): Response {
    return new Response("");
  }

  // @ts-expect-error a generator yields items
  @endpoint("/generator")
  async *generator(): AsyncGenerator<Uint8Array> {}

  // @ts-expect-error a detail is a JSON value
  detail: AppException = new AppException(undefined, 409);
}
