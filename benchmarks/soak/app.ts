// The app of the soak: a route of each kind, and one that reports memory, descriptors and handles of its process.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Type, type Static } from "typebox";
import { App, endpoint, realtime, websocket, type RawWebSocket, type RequestContext } from "servable";

const Text = Type.Object({ text: Type.String({ maxLength: 100_000 }), count: Type.Integer({ default: 1 }) });
type Text = Static<typeof Text>;

const collect = (globalThis as { gc?: () => void }).gc;

/** Returns its input, by every kind of route. */
export class Soak extends App {
  static override maxMultiplexing = 1000;
  static override appName = "soak";

  @endpoint("/echo", { input: Text, output: Text })
  echo(input: Text): Text {
    return input;
  }

  @endpoint("/batch", { input: Text, output: Text, batch: { maxSize: 8 } })
  async batch(inputs: Text[]): Promise<Text[]> {
    await sleep(2);
    return inputs;
  }

  @endpoint("/stream", { input: Text, stream: true })
  async *stream({ text, count }: Text): AsyncGenerator<string> {
    for (let index = 0; index < count; index++) {
      if (index % 10 === 0) await sleep(1);
      yield `${text}${index}`;
    }
  }

  /** Works until its caller disconnects, at most for the given time in milliseconds. */
  @endpoint("/slow", { input: Text, output: Text })
  async slow(input: Text, { signal }: RequestContext): Promise<Text> {
    await sleep(input.count, undefined, { signal });
    return input;
  }

  @endpoint("/fail", { input: Text, output: Text })
  fail({ text }: Text): Text {
    throw new Error(text);
  }

  @realtime("/live", { input: Text, output: Text, contentType: "application/json" })
  live(input: Text): Text {
    return input;
  }

  @websocket("/raw")
  async raw(socket: RawWebSocket, { signal }: RequestContext): Promise<void> {
    socket.on("message", (data) => socket.send(data.toString()));
    if (!signal.aborted) await once(signal, "abort");
  }

  /** Memory, descriptors and handles after a garbage collection. */
  @endpoint("/usage")
  async usage(): Promise<object> {
    for (let round = 0; round < 4; round++) {
      collect?.();
      await sleep(10);
    }
    const handles: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) handles[kind] = (handles[kind] ?? 0) + 1;
    return { pid: process.pid, handles, ...process.memoryUsage() };
  }
}
