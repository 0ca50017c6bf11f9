import { useSpans } from "../context.ts";
import { hasSdk, loadOpenTelemetry } from "./open-telemetry.ts";
import type { OpenTelemetry } from "./open-telemetry.ts";
import type { Attributes, Context, Span as OtelSpan, SpanKind } from "@opentelemetry/api";

/** The headers that continue a trace in another process: `traceparent`, and those that the SDK's propagator adds. */
export type TraceCarrier = Readonly<Record<string, string>>;

/** The description of a span. */
export interface SpanOptions {
  /** Default INTERNAL. */
  readonly kind?: keyof typeof SpanKind;
  readonly attributes?: Attributes;
  /** Spans that belong to the new one without being its parent: the requests of a batch. */
  readonly links?: readonly Span[];
}

/** One operation of a trace. */
export class Span {
  readonly #api: OpenTelemetry;
  readonly #span: OtelSpan;
  readonly #context: Context;
  #hasEnded = false;

  constructor(api: OpenTelemetry, parent: Context, name: string, options: SpanOptions) {
    const { kind = "INTERNAL", attributes = {}, links = [] } = options;
    this.#api = api;
    this.#span = api.trace.getTracer("servable").startSpan(
      name,
      {
        kind: api.SpanKind[kind],
        attributes,
        links: links.map((linked) => ({ context: linked.#span.spanContext() })),
      },
      parent,
    );
    this.#context = api.trace.setSpan(parent, this.#span);
  }

  /** Starts a span below this one. */
  child(name: string, options: SpanOptions = {}): Span {
    return new Span(this.#api, this.#context, name, options);
  }

  /** Runs code with this span as the current one: spans that the code starts are below it. */
  run<T>(code: () => T): T {
    return this.#api.context.with(this.#context, code);
  }

  /** The headers with which another process continues the trace below this span. */
  get carrier(): TraceCarrier {
    const carrier: Record<string, string> = {};
    this.#api.propagation.inject(this.#context, carrier);
    return carrier;
  }

  /** Adds the status of an HTTP answer and ends the span. From 500 on, the span counts as failed. */
  endWithStatus(status: number): void {
    if (this.#hasEnded) return;
    this.#span.setAttribute("http.response.status_code", status);
    if (status >= 500) this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR });
    this.end();
  }

  /** Records a failure and ends the span. */
  fail(thrown: unknown): void {
    if (this.#hasEnded) return;
    const code = this.#api.SpanStatusCode.ERROR;
    if (thrown instanceof Error) {
      this.#span.recordException(thrown);
      this.#span.setStatus({ code, message: thrown.message });
    } else this.#span.setStatus({ code });
    this.end();
  }

  /** Ends the span. Later calls have no effect. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#span.end();
  }

  /**
   * Runs code with this span as the current one. The span ends when the code has thrown, or has returned a value, a
   * settled promise, or the last item of an async iterable.
   */
  around<T>(code: () => T): T {
    let result: T;
    try {
      result = this.run(code);
    } catch (error) {
      this.fail(error);
      throw error;
    }
    if (result instanceof Promise) {
      const fail = (error: unknown): void => this.fail(error);
      result.then(() => this.end(), fail);
    } else if (isAsyncIterable(result)) return this.#aroundItems(result) as T;
    else this.end();
    return result;
  }

  async *#aroundItems(items: AsyncIterable<unknown>): AsyncGenerator<unknown, void, void> {
    const iterator = items[Symbol.asyncIterator]();
    let isOver = false;
    try {
      for (;;) {
        const result = await this.run(() => iterator.next());
        isOver = result.done === true;
        if (isOver) return;
        yield result.value;
      }
    } catch (error) {
      isOver = true;
      this.fail(error);
      throw error;
    } finally {
      if (!isOver) await iterator.return?.();
      this.end();
    }
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

/** Starts the spans of this process. */
export class Tracing {
  readonly #api: OpenTelemetry;

  constructor(api: OpenTelemetry) {
    this.#api = api;
  }

  /**
   * Starts a span. Its parent is the current span, for example one of an instrumentation of `node:http`; without one,
   * the span of another process that the carrier names.
   */
  start(name: string, carrier: object | undefined, options: SpanOptions = {}): Span {
    const active = this.#api.context.active();
    const isInside = this.#api.trace.getSpan(active) !== undefined;
    const parent =
      isInside || carrier === undefined ? active : this.#api.propagation.extract(active, carrier);
    return new Span(this.#api, parent, name, options);
  }

  /** Starts a trace of its own. */
  startRoot(name: string, options: SpanOptions): Span {
    return new Span(this.#api, this.#api.ROOT_CONTEXT, name, options);
  }
}

/** Null if the package can't be found although an SDK is registered. */
let loaded: Tracing | null | undefined;

/**
 * Returns what starts spans. Undefined unless an SDK of OpenTelemetry is registered in this process: then nothing is
 * loaded, and nothing is paid.
 * @param appUrl `file:` URL of a module of the app, from which `@opentelemetry/api` is found if it is not next to this
 *   package
 */
export function currentTracing(appUrl?: string): Tracing | undefined {
  if (!hasSdk()) return undefined;
  if (loaded === undefined) {
    const api = loadOpenTelemetry(appUrl);
    if (api === undefined) {
      loaded = null;
      process.emitWarning(
        "An SDK of OpenTelemetry is registered, but @opentelemetry/api can't be found; no spans are recorded. " +
          "Add it to the app's package.json.",
      );
      return undefined;
    }
    loaded = new Tracing(api);
    useSpans((request, code) => {
      const span = spans.get(request);
      return span === undefined ? code() : span.run(code);
    });
  }
  return loaded ?? undefined;
}

const spans = new WeakMap<object, Span>();

/** The span of a request, by its context. Costs nothing while no spans are recorded. */
export function spanOf(context: object): Span | undefined {
  return loaded ? spans.get(context) : undefined;
}

/** Sets the span of a request. */
export function setSpan(context: object, span: Span): void {
  spans.set(context, span);
}
