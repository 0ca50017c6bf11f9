/**
 * The first process of a container. It starts the process that the container is for, and is the way to it from outside:
 * frames come in at its standard input and go out at its standard output. When its input ends, whoever had the
 * container started is no more: then it ends, and with it everything in the container.
 * @module
 */
import { Socket } from "node:net";
import { deserialize } from "node:v8";
import {
  FRAME,
  FrameDecoder,
  writeFrame,
  type BridgeFrame,
  type BridgeStart,
  type FrameKind,
} from "./protocol.ts";
import { StartedProcess } from "./started-process.ts";

// process.stdout would block all else while nobody reads.
const output = new Socket({ fd: 1, readable: false, writable: true });
const decoder = new FrameDecoder();
let started: StartedProcess | undefined;

output.on("error", leave); // nobody is there to read
process.stdin.on("data", (chunk: Buffer) => {
  try {
    for (const frame of decoder.write(chunk)) receive(frame);
  } catch (error) {
    console.error(`servable: ${error instanceof Error ? error.message : String(error)}`);
    leave();
  }
});
for (const event of ["end", "close", "error"]) process.stdin.on(event, leave);
// The first process of a container gets none of these unless it asks for them. They come from who stops it by hand.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, kill);
tell(FRAME.ready);

function receive({ kind, payload }: BridgeFrame): void {
  if (kind === FRAME.start) start(deserialize(payload) as BridgeStart);
  else if (kind === FRAME.message) started?.send(deserialize(payload), () => tell(FRAME.taken));
  else if (kind === FRAME.kill) kill();
}

function start(options: BridgeStart): void {
  started = new StartedProcess(options, {
    tell,
    whenTaken: (callback) => output.once("drain", callback),
    onEnd: () => output.end(() => process.exit(0)),
  });
}

function tell(kind: FrameKind, payload?: Uint8Array): boolean {
  return writeFrame(output, kind, payload);
}

function kill(): void {
  if (started === undefined) leave();
  else started.kill();
}

function leave(): void {
  started?.kill();
  process.exit(1);
}
