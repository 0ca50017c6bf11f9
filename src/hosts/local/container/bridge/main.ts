/**
 * The first process of a container. It starts the actual process and connects it to the host: it receives frames on
 * standard input and sends frames on standard output. When its input ends, the host has ended; it then ends itself and
 * with it the container.
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

// Writing to process.stdout would block while the host does not read.
const output = new Socket({ fd: 1, readable: false, writable: true });
const decoder = new FrameDecoder();
let started: StartedProcess | undefined;

output.on("error", quit); // the host has ended
process.stdin.on("data", (chunk: Buffer) => {
  try {
    for (const frame of decoder.write(chunk)) receive(frame);
  } catch (error) {
    console.error(`servable: ${error instanceof Error ? error.message : String(error)}`);
    quit();
  }
});
for (const event of ["end", "close", "error"]) process.stdin.on(event, quit);
// Without a listener, the first process of a container ignores these signals, which stop it by hand.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, kill);
send(FRAME.ready);

function receive({ kind, payload }: BridgeFrame): void {
  if (kind === FRAME.start) start(deserialize(payload) as BridgeStart);
  else if (kind === FRAME.message) started?.send(deserialize(payload), () => send(FRAME.acknowledged));
  else if (kind === FRAME.kill) kill();
}

function start(options: BridgeStart): void {
  started = new StartedProcess(options, {
    send,
    onceDrained: (callback) => output.once("drain", callback),
    onEnd: () => output.end(() => process.exit(0)),
  });
}

function send(kind: FrameKind, payload?: Uint8Array): boolean {
  return writeFrame(output, kind, payload);
}

function kill(): void {
  if (started === undefined) quit();
  else started.kill();
}

function quit(): void {
  started?.kill();
  process.exit(1);
}
