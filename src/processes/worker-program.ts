import { Socket } from "node:net";
import { Worker } from "node:worker_threads";
import { MessageDecoder } from "./message-codec.ts";
import { MessageWriter } from "./message-writer.ts";
import { endOwnChildren } from "./process-tree.ts";
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

/** Follows the parent's id in the arguments of a worker that has a pipe for messages. */
const WITH_PIPE = "/pipe";

/** The arguments of a worker's program: its title for lists of processes, and the id of its parent. */
export function workerArguments(title: string): string[] {
  return [title, `${process.pid}${hasMessagePipe ? WITH_PIPE : ""}`];
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
  watchParent();
  if (process.argv[3]?.endsWith(WITH_PIPE) === true) return openPipe(onMessage);
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

/** Interval at which the worker checks that its parent exists, in milliseconds. */
const CHECK_MS = 1000;

/**
 * Ends this process and all processes that it has started when its parent has ended. A thread checks this, because the
 * main thread may be busy forever. If the thread can't be started, only the end of the channel is noticed.
 *
 * The parent's id is an argument of the program ({@link workerArguments}), because the parent may end before this
 * process can determine it.
 */
function watchParent(): void {
  const parent = Number.parseInt(process.argv[3] ?? "", 10) || process.ppid;
  process.on("exit", endOwnChildren);
  process.on("disconnect", () => process.exit(1));
  // Descendants may have left the group that this process leads, so /proc is searched for them. Without /proc, only the
  // group is ended.
  const check = `
    const { readdirSync, readFileSync } = require("node:fs");
    const kill = (pid) => {
      try {
        process.kill(pid, "SIGKILL");
      } catch {}
    };
    const childrenOf = (parent) => {
      try {
        return readdirSync("/proc").filter((name) => {
          try {
            const stat = readFileSync("/proc/" + name + "/stat", "latin1");
            return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
          } catch {
            return false;
          }
        }).map(Number);
      } catch {
        return [];
      }
    };
    const endBelow = (pid) => {
      for (const child of childrenOf(pid)) {
        endBelow(child);
        kill(child);
      }
    };
    const check = () => {
      if (process.ppid === ${parent}) return;
      endBelow(process.pid);
      if (process.platform !== "win32") kill(-process.pid);
      kill(process.pid);
    };
    setInterval(check, ${CHECK_MS});
    check();
  `;
  new Worker(check, { eval: true, execArgv: [], env: {} }).on("error", () => {}).unref();
}
