import { setImmediate } from "node:timers/promises";
import { pino } from "pino";
import type { RequestContext } from "../../src/context.ts";
import { createCodec } from "../../src/realtime/codec.ts";
import { encodeMessagePack } from "../../src/realtime/msgpack.ts";
import { DEFAULT_SESSION_LIMITS, type RealtimeRoute, type SessionLimits } from "../../src/realtime/route.ts";
import { RealtimeSession } from "../../src/realtime/session.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { FramePipe } from "./frame-pipe.ts";

/** Overrides of the default test route; the handler is called according to the mode. */
export interface SessionSetup {
  readonly handler: (input: never, context: RequestContext) => unknown;
  readonly route?: Partial<RealtimeRoute>;
  readonly query?: Record<string, string | string[]>;
  readonly limits?: Partial<SessionLimits>;
}

/** A session over a {@link FramePipe}, with a fake clock. */
export function openSession({ handler, route, query = {}, limits }: SessionSetup) {
  const clock = new FakeClock();
  const pipe = new FramePipe();
  const counts = { in: 0, out: 0, dropped: 0 };
  const logged: string[] = [];
  const session = new RealtimeSession({
    route: {
      methodName: "work",
      mode: "unary",
      codec: createCodec({
        contentType: "application/msgpack",
        encodeMessage: undefined,
        decodeMessage: undefined,
      }),
      buffering: undefined,
      sessionTimeoutMs: undefined,
      maxBatchSize: 1,
      emitTimings: false,
      canBatch: undefined,
      accept: (value) => value,
      present: (output) => output,
      call: (context, input) => handler(input as never, context),
      share: undefined,
      within: (_context, code) => code(),
      ...route,
    },
    connection: pipe,
    request: { headers: { "x-fal-request-id": "r1" }, query },
    limits: { ...DEFAULT_SESSION_LIMITS, ...limits },
    clock,
    log: pino({ level: "error" }, { write: (line: string) => void logged.push(line) }),
    counts: {
      received: () => void counts.in++,
      sent: () => void counts.out++,
      dropped: (count) => void (counts.dropped += count),
      timedOut: () => {},
    },
  });
  return {
    session,
    clock,
    pipe,
    counts,
    logged,
    /** Sends several inputs at once, like frames of one packet. */
    input: (...values: readonly unknown[]): void => {
      for (const value of values) session.receive(encodeMessagePack(value));
    },
    /** Breaks the connection from the far end. */
    lose: (): void => {
      pipe.disconnect();
      session.disconnected();
    },
  };
}

/** Lets all work proceed that does not depend on the clock. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await setImmediate();
}

/** A promise that the test settles. */
export function gate<T = void>(): { readonly promise: Promise<T>; readonly open: (value: T) => void } {
  let open!: (value: T) => void;
  const promise = new Promise<T>((resolve) => (open = resolve));
  return { promise, open };
}

/** Control messages as tests expect them. */
export const END = { type: "x-fal-message", action: "end" };
export const TIMEOUT = { type: "x-fal-error", error: "TIMEOUT", reason: "no inputs, reconnect when needed!" };
export const dropped = (count: number): object => ({ type: "x-fal-message", action: "dropped", count });
export const failure = (reason: string): object => ({ type: "x-fal-error", error: "INTERNAL_ERROR", reason });
