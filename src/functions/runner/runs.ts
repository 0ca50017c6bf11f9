import { assertSerializable, serializationFailure } from "../serializable-values.ts";
import { decodeThrown, encodeThrown, type WireThrown } from "../../processes/thrown-codec.ts";
import { currentTracing } from "../../tracing/tracing.ts";
import { missingPackage, originOf, trimStack } from "./failures.ts";
import type { LoadedFunction } from "./loaded-function.ts";
import { END_OF_RUN, type FromRunner, type RunMessage, type ServeMessage } from "./protocol.ts";

/** Dependencies of {@link Runs}. */
export interface RunsParts {
  readonly loaded: LoadedFunction;
  /** The result of the function's setup; undefined if it has none. */
  readonly setupResult: unknown;
  readonly bundleUrl: string;
  readonly functionName: string;
  send(message: FromRunner): void;
}

/** The original write functions, captured before the user's code can replace them. */
const STREAMS = [process.stdout, process.stderr].map((stream) => stream.write.bind(stream));

/** Runs the function, one call at a time. */
export class Runs {
  readonly #parts: RunsParts;
  #running: { readonly id: number; readonly controller: AbortController } | undefined;
  #onIdle: (() => void) | undefined;

  constructor(parts: RunsParts) {
    this.#parts = parts;
  }

  /** Calls the handler and sends back its result or error. Never rejects. */
  run({ id, args, trace }: RunMessage): Promise<void> {
    const { loaded, setupResult, functionName } = this.#parts;
    const { handler, setupFunction } = loaded.definition;
    const all = setupFunction === undefined ? args : [setupResult, ...args];
    return this.#start(id, async () => {
      const span = trace && currentTracing(this.#parts.bundleUrl)?.start(functionName, trace);
      const call = (): unknown => handler(...(all as never[]));
      const value = await (span === undefined ? call() : span.around(call));
      assertSerializable(value, `the result of ${functionName}`);
      return value;
    });
  }

  /** Serves the function until the run is aborted. Never rejects. */
  serve({ id, host, port, metricsPort, schemas, timeoutMs }: ServeMessage): Promise<void> {
    const { loaded, send } = this.#parts;
    const name = loaded.exportName;
    return this.#start(id, async ({ signal }) => {
      const onListening = (url: string): void => send({ type: "listening", id, url });
      const serving = { host, port, metricsPort, schemas, timeoutMs, name, signal, onListening };
      await loaded.definition.serve(serving);
      return undefined;
    });
  }

  /** Aborts the signal of the running handler, because its caller has left. Ignored if that run has ended. */
  abort(id: number, reason: WireThrown): void {
    if (this.#running?.id === id) this.#running.controller.abort(decodeThrown(reason));
  }

  /** Resolves when no run is in progress. */
  async idle(): Promise<void> {
    if (this.#running !== undefined) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  async #start(id: number, work: (controller: AbortController) => Promise<unknown>): Promise<void> {
    const controller = new AbortController();
    this.#running = { id, controller };
    this.#parts.loaded.signal = controller.signal;
    let message: FromRunner;
    try {
      message = { type: "result", id, value: await work(controller) };
    } catch (error) {
      message = this.#failure(id, error);
    }
    this.#running = undefined;
    this.#parts.loaded.signal = undefined;
    for (const write of STREAMS) write(`${END_OF_RUN}${id}\n`);
    this.#send(message);
    this.#onIdle?.();
  }

  #send(message: FromRunner): void {
    const { send, functionName } = this.#parts;
    try {
      send(message);
    } catch (error) {
      if (message.type !== "result") throw error;
      const thrown = encodeThrown(
        serializationFailure(error, message.value, `the result of ${functionName}`),
      );
      send({ type: "thrown", id: message.id, origin: "runner", thrown });
    }
  }

  #failure(id: number, error: unknown): FromRunner {
    const failure = missingPackage(error, this.#parts.bundleUrl) ?? error;
    trimStack(failure, new URL(".", this.#parts.bundleUrl).href);
    return { type: "thrown", id, origin: originOf(failure), thrown: encodeThrown(failure) };
  }
}
