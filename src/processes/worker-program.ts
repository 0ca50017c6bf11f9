import { Socket } from "node:net";
import { MessageDecoder } from "./message-codec.ts";
import { MessageWriter } from "./message-writer.ts";
import { watchParent } from "./parent-watch.ts";
import { markWorkerProcess } from "./worker-marker.ts";

/** A message of this package. The envelope distinguishes it from messages that libraries send to the parent process. */
interface OwnMessage<Content> {
  readonly servable: Content;
}

/** The content of a worker's message; undefined for a message that is not of this package. */
export function contentOf<Content>(message: unknown): Content | undefined {
  const isObject = typeof message === "object" && message !== null;
  return isObject && "servable" in message ? (message as OwnMessage<Content>).servable : undefined;
}

/** The file descriptor of the pipe for messages in a worker. */
export const MESSAGE_PIPE = 4;

/**
 * Whether messages go through a pipe of their own, which costs half as much as Node's channel for child processes. That
 * channel stays open for messages of libraries. On Windows it is used for all messages.
 */
export const hasMessagePipe: boolean = process.platform !== "win32";

/** Follow the parent's id in the arguments of a worker that has a pipe for messages, and one for its guard. */
const WITH_PIPE = "/pipe";
const WITH_GUARD = `${WITH_PIPE}/guard`;

/**
 * The arguments of a worker's program: its title for lists of processes, and the id of its parent.
 * @param hasGuard whether it has a pipe for its guard, file descriptor {@link GUARD_PIPE}
 */
export function workerArguments(title: string, hasGuard: boolean): string[] {
  return [title, `${process.pid}${hasMessagePipe ? (hasGuard ? WITH_GUARD : WITH_PIPE) : ""}`];
}

function hasArgument(mark: string): boolean {
  return process.argv[3]?.includes(mark) === true;
}

/** The worker's end of its channel. */
export interface WorkerPort<FromWorker> {
  send(message: FromWorker): void;
  /** Sends a message, and ends the process when it has been written. */
  sendLast(message: FromWorker, exitCode: number): void;
}

/**
 * Makes this process a worker, which is controlled by messages and ends with its parent.
 * @returns undefined if the process was not started as a worker
 */
export function startWorkerProgram<ToWorker, FromWorker extends object>(
  onMessage: (message: ToWorker) => void,
): WorkerPort<FromWorker> | undefined {
  if (process.send === undefined || !process.connected) return undefined;
  markWorkerProcess();
  // Terminals send Ctrl-C, and supervisors SIGTERM, to the whole process group. A worker ignores them, and ends when
  // its parent requests it.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
  watchParent(Number.parseInt(process.argv[3] ?? "", 10) || process.ppid, hasArgument(WITH_GUARD));
  if (hasArgument(WITH_PIPE)) return openPipe(onMessage);
  process.on("message", onMessage);
  const wrap = (content: FromWorker): OwnMessage<FromWorker> => ({ servable: content });
  return {
    send: (message) => void process.send?.(wrap(message)),
    sendLast: (message, exitCode) => void process.send?.(wrap(message), () => process.exit(exitCode)),
  };
}

function openPipe<ToWorker, FromWorker extends object>(
  onMessage: (message: ToWorker) => void,
): WorkerPort<FromWorker> {
  const pipe = new Socket({ fd: MESSAGE_PIPE, readable: true, writable: true });
  const decoder = new MessageDecoder((message) => onMessage(message as ToWorker));
  pipe.on("data", (chunk: Buffer) => decoder.write(chunk));
  const leave = (): void => process.exit(1);
  pipe.on("end", leave).on("error", leave);
  const writer = new MessageWriter(pipe);
  return {
    send: (message) => writer.write(message),
    sendLast: (message, exitCode) => writer.write(message, () => process.exit(exitCode)),
  };
}
