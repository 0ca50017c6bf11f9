import type { LogOutput } from "./log-output.ts";
import { standardError, standardOutput } from "./standard-output.ts";

type Write = (...values: unknown[]) => boolean;
type StandardStream = Omit<NodeJS.WriteStream, "write"> & { write: Write };

let guards = 0;
let release: (() => void)[] = [];
const guarded = new WeakSet<Function>();

/** Whether this process serves. If so, it does not end when the reader of its output closes. */
export function isServing(): boolean {
  return guards > 0;
}

/** Whether other code, for example a test runner, has replaced a stream's `write`. */
export function isCaptured(stream: NodeJS.WriteStream): boolean {
  return Object.hasOwn(stream, "write") && !guarded.has(stream.write);
}

/**
 * Routes the app's output through the log output: text that standard output or standard error can't take (disk full,
 * reader closed or stalled) is dropped and counted. Neither an error nor a growing buffer nor a blocking write can end
 * or block the process. Returns the function that undoes this.
 */
export function guardStandardStreams(): () => void {
  if (guards++ === 0) {
    release = [
      guard(process.stdout as unknown as StandardStream, standardOutput),
      guard(process.stderr as unknown as StandardStream, standardError),
    ];
  }
  let isOff = false;
  return () => {
    if (isOff) return;
    isOff = true;
    if (--guards === 0) for (const end of release.splice(0)) end();
  };
}

function guard(stream: StandardStream, outputOf: () => LogOutput): () => void {
  const onError = (): void => outputOf().drop();
  stream.on("error", onError);
  const stop = (): void => void stream.removeListener("error", onError);
  if (isCaptured(stream as unknown as NodeJS.WriteStream)) return stop;
  const { write: original } = stream;
  let waits = false;
  const write: Write = (chunk, ...rest) => {
    const bytes = bytesOf(chunk, rest[0]);
    // Node reports values of a wrong type; data that Node has buffered must be written first.
    if (bytes === undefined || stream.writableLength > 0) return original.call(stream, chunk, ...rest);
    const output = outputOf();
    output.write(bytes);
    const callback = rest.find((value) => typeof value === "function") as ((error: null) => void) | undefined;
    if (callback !== undefined) process.nextTick(callback, null);
    if (!output.isBehind) return true;
    if (!waits) {
      waits = true;
      output.onDrain(() => {
        waits = false;
        stream.emit("drain");
      });
    }
    return false;
  };
  guarded.add(write);
  stream.write = write;
  return () => {
    stop();
    if (stream.write === write) delete (stream as Partial<StandardStream>).write;
  };
}

function bytesOf(chunk: unknown, encoding: unknown): string | Uint8Array | undefined {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk !== "string") return undefined;
  const isOther = typeof encoding === "string" && encoding !== "utf8" && encoding !== "utf-8";
  return isOther && Buffer.isEncoding(encoding) ? Buffer.from(chunk, encoding) : chunk;
}
