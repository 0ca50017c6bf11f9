import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Type, type Static } from "typebox";
import {
  App,
  AppException,
  endpoint,
  realtime,
  websocket,
  type RawWebSocket,
  type RequestContext,
} from "servable";
import { currentRequest } from "servable/current";

export const Number = Type.Object(
  { n: Type.Integer(), wait: Type.Integer({ default: 0 }) },
  { $id: "Number" },
);
type Number = Static<typeof Number>;
export const Doubled = Type.Object({ n: Type.Integer() }, { $id: "Doubled" });
type Doubled = Static<typeof Doubled>;
const Blob = Type.Object({ bytes: Type.Unsafe<Uint8Array>({}) });

/** An app with a session for each behaviour of the realtime contract. Handlers record their arguments in `seen`. */
export class RealtimeApp extends App {
  readonly seen: string[] = [];

  #watch(name: string, ctx: RequestContext): void {
    this.seen.push(`${name} begun`);
    ctx.signal.addEventListener("abort", () => this.seen.push(`${name} aborted`));
  }

  @realtime("/double", { input: Number, output: Doubled })
  async double({ n, wait }: Number): Promise<Doubled> {
    if (n === 13) throw new AppException("unlucky", 400);
    if (n === 666) throw new Error("secret /path/to.ts");
    if (wait > 0) await sleep(wait);
    return { n: n * 2 };
  }

  @realtime("/slow", { input: Number, output: Doubled })
  async slow({ n }: Number, ctx: RequestContext): Promise<Doubled> {
    this.#watch("slow", ctx);
    await sleep(60_000, undefined, { signal: ctx.signal });
    return { n };
  }

  @realtime("/newest", { input: Number, output: Doubled, buffering: 2 })
  async newest({ n, wait }: Number): Promise<Doubled> {
    await sleep(wait);
    return { n };
  }

  @realtime("/timed", { input: Number, output: Doubled, emitTimings: true, sessionTimeout: 0.15 })
  timed({ n }: Number): Doubled {
    const result = { n, internal: "not for callers" };
    return result;
  }

  @realtime("/batch", { input: Number, maxBatchSize: 4 })
  async batch(inputs: Number[]): Promise<{ n: number; size: number }[]> {
    await sleep(5);
    return inputs.map(({ n }) => ({ n, size: inputs.length }));
  }

  @realtime("/json", { input: Number, output: Doubled, contentType: "application/json" })
  json({ n }: Number): Doubled {
    return { n };
  }

  @realtime("/context")
  context(_input: object, ctx: RequestContext): object {
    const { requestId, query } = ctx;
    return { requestId, query, custom: ctx.headers["x-custom"], current: currentRequest()?.requestId };
  }

  @realtime("/count", { input: Number, output: Doubled, mode: "server_streaming" })
  async *count({ n, wait }: Number, ctx: RequestContext): AsyncGenerator<Doubled> {
    this.#watch("count", ctx);
    try {
      for (let index = 0; index < n; index++) {
        if (wait > 0) await sleep(wait);
        yield { n: index };
      }
    } finally {
      this.seen.push("count returned");
    }
  }

  @realtime("/flood", { input: Number, mode: "server_streaming" })
  async *flood({ n }: Number): AsyncGenerator<{ n: number; bytes: Uint8Array }> {
    for (let index = 0; index < n; index++) {
      this.seen[0] = String(index);
      yield { n: index, bytes: new Uint8Array(10_000) };
    }
  }

  @realtime("/sum", { input: Number, output: Doubled, mode: "client_streaming" })
  async sum(inputs: AsyncIterable<Number>, ctx: RequestContext): Promise<Doubled> {
    this.#watch("sum", ctx);
    let n = 0;
    let ms = 0;
    for await (const input of inputs) {
      n += input.n;
      ms += input.wait;
    }
    if (ms > 0) await sleep(ms);
    return { n };
  }

  @realtime("/echo", { input: Number, output: Doubled, mode: "bidi" })
  async *echo(inputs: AsyncIterable<Number>, ctx: RequestContext): AsyncGenerator<Doubled> {
    this.#watch("echo", ctx);
    try {
      for await (const { n } of inputs) yield { n };
    } finally {
      this.seen.push("echo returned");
    }
  }

  @realtime("/blob", { input: Blob })
  blob({ bytes }: { bytes: Uint8Array }): { bytes: Uint8Array; length: number } {
    return { bytes, length: bytes.length };
  }

  @websocket("/raw")
  async raw(socket: RawWebSocket, ctx: RequestContext): Promise<void> {
    this.#watch("raw", ctx);
    socket.on("message", (data, isBinary) => socket.send(isBinary ? data : data.toString()));
    await once(ctx.signal, "abort");
  }

  @websocket("/raw-fail")
  rawFail(): Promise<void> {
    return Promise.reject(new AppException("é".repeat(100), 400));
  }

  @endpoint("/double", { input: Number, output: Doubled })
  post({ n }: Number): Doubled {
    return { n };
  }
}
