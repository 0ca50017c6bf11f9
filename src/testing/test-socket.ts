import { once } from "node:events";
import type { Static, TSchema } from "typebox";
import { WebSocket, type ClientOptions } from "ws";
import { decodeMessagePack, encodeMessagePack } from "../realtime/msgpack.ts";

/** A control message of a realtime session. */
export interface ControlMessage {
  type: "x-fal-message" | "x-fal-error";
  action?: string;
  error?: string;
  reason?: string;
  count?: number;
  timing?: number;
  queue?: number;
  batch_size?: number;
}

/** How a connection ended. */
export interface SocketClose {
  code: number;
  reason: string;
}

/** A client of a realtime session, typed by the route's schemas. Frames are MessagePack. */
export interface TestSocket<Input, Output> {
  /** The socket itself, for everything else. */
  readonly socket: WebSocket;
  send(input: Input): void;
  /** The next result. Rejects if the connection ends first. */
  next(): Promise<Output>;
  /** All control messages so far. */
  readonly control: readonly ControlMessage[];
  /** All results so far, including those returned by {@link next}. */
  readonly results: readonly Output[];
  /** Sends a close frame and waits for the end. */
  close(code?: number): Promise<SocketClose>;
  /** Resolves when the connection has ended, no matter who closed it. */
  readonly closed: Promise<SocketClose>;
}

/**
 * Opens a realtime session, for example `connectTestSocket(server.url + "/realtime", { input: Prompt, output: Picture
 * })`. The schemas only provide the types: nothing is validated here.
 */
export async function connectTestSocket<
  Input extends TSchema | undefined = undefined,
  Output extends TSchema | undefined = undefined,
>(
  url: string,
  _schemas: { input?: Input; output?: Output } = {},
  options: ClientOptions = {},
): Promise<TestSocket<ValueOf<Input>, ValueOf<Output>>> {
  type Result = ValueOf<Output>;
  const socket = new WebSocket(url.replace(/^http/, "ws"), options);
  const control: ControlMessage[] = [];
  const results: Result[] = [];
  const waiting: { resolve: (result: Result) => void; reject: (error: Error) => void }[] = [];
  let returned = 0;
  socket.on("message", (data: Buffer, isBinary) => {
    if (!isBinary) {
      control.push(JSON.parse(data.toString("utf8")) as ControlMessage);
      return;
    }
    const result = decodeMessagePack(data) as Result;
    results.push(result);
    const first = waiting.shift();
    if (first === undefined) return;
    returned++;
    first.resolve(result);
  });
  const closed = new Promise<SocketClose>((resolve) => {
    socket.once("close", (code, reason) => {
      const last = control.at(-1);
      const why = last?.reason ?? (reason.toString() || "no reason returned");
      for (const { reject } of waiting.splice(0)) reject(new Error(`The session ended with ${code}: ${why}`));
      resolve({ code, reason: reason.toString() });
    });
  });
  await once(socket, "open");
  socket.on("error", () => {}); // reported by the close that follows
  return {
    socket,
    control,
    results,
    closed,
    send: (input) => socket.send(encodeMessagePack(input)),
    next: () => {
      if (returned < results.length) return Promise.resolve(results[returned++] as Result);
      if (socket.readyState === WebSocket.CLOSED) return Promise.reject(new Error("The session is over."));
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    close: (code) => {
      socket.close(code);
      return closed;
    },
  };
}

type ValueOf<Schema> = Schema extends TSchema ? Static<Schema> : Record<string, unknown>;
