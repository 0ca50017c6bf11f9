import { once } from "node:events";
import { GatewayError } from "../gateway/gateway-error.ts";
import type { RunnerLine, RunnerLogs } from "../logs/runner-logs.ts";
import { findRunner, type RunnerRow } from "../state/runners.ts";
import type { Database } from "../store/database.ts";
import type { RestRequest, RestRoute } from "./rest.ts";

/** The parts that the routes need. */
export interface LogRouteParts {
  readonly database: Database;
  readonly logs: RunnerLogs;
}

const MAX_PAGE = 1_000;

/** The routes for the output of runners: past lines in pages, newest first, and new lines as they are written. */
export function logRoutes({ database, logs }: LogRouteParts): readonly RestRoute[] {
  const permission = "serverless:logs:read";
  const runnerOf = async (id: string | null | undefined): Promise<RunnerRow> => {
    const runner = id === null || id === undefined ? undefined : await findRunner(database, id);
    if (runner === undefined) throw new GatewayError("not_found", `There is no runner ${id ?? ""}.`);
    return runner;
  };
  return [
    {
      method: "GET",
      path: "/runners/:id",
      permission,
      handle: async ({ params }) => {
        const { createdAt, endedAt } = await runnerOf(params["id"]);
        return { started_at: createdAt.toISOString(), ended_at: endedAt?.toISOString() ?? null };
      },
    },
    {
      method: "POST",
      path: "/logs/history",
      permission,
      handle: async ({ query }) => {
        const { id } = await runnerOf(query.get("job_id"));
        const { since, until, search } = rangeOf(query);
        const size = Number(query.get("page_size") ?? MAX_PAGE);
        if (!Number.isInteger(size) || size < 1 || size > MAX_PAGE) {
          throw new GatewayError("bad_request", `page_size has to be a number from 1 to ${MAX_PAGE}.`);
        }
        const page: RunnerLine[] = [];
        let hasMore = false;
        for await (const line of logs.lines(id, since - 1)) {
          if (line.micros >= until) break;
          if (!line.message.includes(search)) continue;
          page.push(line);
          if (page.length > size) hasMore = page.shift() !== undefined;
        }
        const oldest = page[0];
        return {
          items: page.toReversed().map(itemOf),
          next_until: hasMore && oldest !== undefined ? isoOf(oldest.micros) : null,
        };
      },
    },
    {
      method: "POST",
      path: "/logs/stream",
      permission,
      handle: async (request) => {
        const { id } = await runnerOf(request.query.get("job_id"));
        await stream(request, logs, id);
        return undefined;
      },
    },
  ];
}

async function stream({ response, query }: RestRequest, logs: RunnerLogs, id: string): Promise<void> {
  const { since, until, search } = rangeOf(query);
  const left = new AbortController();
  response.once("close", () => left.abort());
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.flushHeaders();
  for await (const line of logs.follow(id, since - 1, left.signal)) {
    if (line.micros >= until) break;
    if (!line.message.includes(search)) continue;
    if (response.write(`data: ${JSON.stringify(itemOf(line))}\n\n`)) continue;
    await once(response, "drain", { signal: left.signal }).catch(() => {});
  }
  response.end();
}

function itemOf({ micros, level, message }: RunnerLine): Readonly<Record<string, string>> {
  return { timestamp: isoOf(micros), level, message };
}

/** The range and the text of a query. Times are in microseconds; the end does not belong to the range. */
function rangeOf(query: URLSearchParams): {
  readonly since: number;
  readonly until: number;
  readonly search: string;
} {
  return {
    since: microsOf(query.get("since"), "since") ?? -Infinity,
    until: microsOf(query.get("until"), "until") ?? Infinity,
    search: query.get("search") ?? "",
  };
}

/** Microseconds since 1970 of an ISO time, with the digits that a `Date` does not have. @throws GatewayError */
function microsOf(text: string | null, name: string): number | undefined {
  if (text === null || text === "") return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new GatewayError("bad_request", `${name} has to be a time such as 2026-01-31T12:00:00Z.`);
  const digits = /\.(\d+)/.exec(text)?.[1] ?? "";
  return ms * 1_000 + Number(digits.slice(3, 6).padEnd(3, "0"));
}

function isoOf(micros: number): string {
  const ms = Math.floor(micros / 1_000);
  return new Date(ms).toISOString().replace("Z", `${String(micros - ms * 1_000).padStart(3, "0")}Z`);
}
