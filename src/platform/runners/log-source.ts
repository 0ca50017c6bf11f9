import { PlatformError } from "../../errors.ts";
import type { Credentials } from "../target/credentials.ts";
import { isoOfMicros, logLine, microsOf, type LogLine } from "./log-line.ts";
import { plainCause, plainLine, plainSentence } from "../transport/plain-line.ts";
import type { Rest } from "../transport/rest.ts";
import { serverSentEvents } from "../transport/server-sent-events.ts";
import { omitUndefined } from "../../settings/defined-fields.ts";

/** When a runner started and ended, in microseconds since 1970; undefined if it has not, or the control plane does not send it. */
export interface RunnerLife {
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
}

/** A time range, in microseconds since 1970. */
export interface LogRange {
  readonly since: number | undefined;
  readonly until: number | undefined;
}

/** A page of past lines, newest first. */
export interface LogPage {
  readonly lines: readonly LogLine[];
  /** The end of the preceding page, as the control plane sent it; undefined if there is none. */
  readonly nextUntil: string | undefined;
}

/** Options of a {@link RunnerLogSource}. */
export interface RunnerLogSourceOptions {
  readonly rest: Rest;
  readonly credentials: Credentials;
  readonly runnerId: string;
  /** Only lines with this text in them. */
  readonly search?: string | undefined;
}

/** The REST requests for the log of one runner. */
export class RunnerLogSource {
  readonly #options: RunnerLogSourceOptions;

  constructor(options: RunnerLogSourceOptions) {
    this.#options = options;
  }

  /** When the runner started and ended. @throws PlatformError, also for an unknown runner */
  async life(signal?: AbortSignal): Promise<RunnerLife> {
    const { rest, runnerId } = this.#options;
    const path = `/runners/${encodeURIComponent(runnerId)}`;
    try {
      const { started_at, ended_at } = fieldsOf(await rest.json({ method: "GET", path, signal }));
      return { startedAt: microsOf(started_at), endedAt: microsOf(ended_at) };
    } catch (error) {
      if (!(error instanceof PlatformError) || error.status !== "HTTP 404") throw error;
      throw new PlatformError(
        "PLATFORM_REFUSED",
        `There is no runner ${plainLine(runnerId)}; "servable runners list --since 24h" shows those there are.`,
        { status: error.status },
      );
    }
  }

  /** Fetches a page of past lines that ends at a time: in microseconds, or as the following page named it. */
  async page(
    since: number | undefined,
    until: number | string | undefined,
    size: number,
    signal?: AbortSignal,
  ): Promise<LogPage> {
    const query = this.#query(since, typeof until === "number" ? isoOfMicros(until) : until);
    query.set("page_size", String(size));
    const path = `/logs/history?${query.toString()}`;
    const { items, next_until } = fieldsOf(await this.#options.rest.json({ method: "POST", path, signal }));
    if (!Array.isArray(items)) {
      throw new PlatformError("PLATFORM_REFUSED", "The control plane's answer has no list of log lines.");
    }
    return {
      lines: items.flatMap((item: unknown) => logLine(item) ?? []),
      nextUntil: typeof next_until === "string" && next_until !== "" ? next_until : undefined,
    };
  }

  /** Streams lines as they are written. Leaving the loop aborts the request. */
  async *stream({ since, until }: LogRange, signal?: AbortSignal): AsyncGenerator<LogLine, void, undefined> {
    const { rest } = this.#options;
    const left = new AbortController();
    const both = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
    const end = until === undefined ? undefined : isoOfMicros(until);
    const path = `/logs/stream?${this.#query(since, end).toString()}`;
    const request = { method: "POST", path, headers: { accept: "text/event-stream" } } as const;
    try {
      const response = await rest.send({ ...request, signal: both });
      if (!response.ok) throw await rest.failure(response, request);
      if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
        throw new PlatformError(
          "PLATFORM_UNREACHABLE",
          "The control plane's REST side answered POST /logs/stream with something other than a stream of events; " +
            "check its host.",
          { status: `HTTP ${response.status}` },
        );
      }
      yield* this.#lines(response);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof PlatformError) throw error;
      throw new PlatformError("PLATFORM_UNREACHABLE", "The stream of the log was interrupted; try again.", {
        cause: plainCause(error, this.#options.credentials),
      });
    } finally {
      left.abort();
    }
  }

  async *#lines(response: Response): AsyncGenerator<LogLine, void, undefined> {
    const { credentials } = this.#options;
    if (response.body === null) return;
    for await (const { event, data } of serverSentEvents(response.body)) {
      if (event === "error") {
        const words = plainSentence(detailOf(data), credentials);
        throw new PlatformError("PLATFORM_REFUSED", `The control plane ended the log: ${words}`);
      }
      const line = logLine(parsed(data));
      if (line !== undefined) yield line;
    }
  }

  #query(since: number | undefined, until: string | undefined): URLSearchParams {
    const { runnerId, search } = this.#options;
    return new URLSearchParams({
      job_id: runnerId,
      ...omitUndefined({ search, since: since === undefined ? undefined : isoOfMicros(since), until }),
    });
  }
}

function fieldsOf(answer: unknown): Record<string, unknown> {
  return typeof answer === "object" && answer !== null ? { ...answer } : {};
}

/** Undefined for invalid JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function detailOf(data: string): string {
  const { detail } = fieldsOf(parsed(data));
  return typeof detail === "string" ? detail : data;
}
