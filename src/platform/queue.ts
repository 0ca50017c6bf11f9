import { PlatformError, UsageError } from "../errors.ts";
import { aliasName, type EnvironmentChoice } from "./apps/alias-name.ts";
import { plainLine } from "./transport/plain-line.ts";
import type { PlatformSession } from "./transport/platform-session.ts";
import type { Rest } from "./transport/rest.ts";
import { currentUser } from "./account/user.ts";

/** Options of reading the size of a queue. */
export interface QueueSizeOptions extends EnvironmentChoice {
  /** Count the requests of each user, too. Default false. */
  readonly byUser?: boolean | undefined;
}

/** The size of an app's queue. */
export interface QueueSize {
  /** The number of queued requests. */
  readonly size: number;
  /** The number of queued requests by user id. Undefined if not requested, or if the control plane does not send it. */
  readonly byUser: Readonly<Record<string, number>> | undefined;
}

/** Options of dropping queued requests. */
export interface FlushQueueOptions extends EnvironmentChoice {
  /** Drop only the requests of the user with this id. Default: all requests. */
  readonly callerUserId?: string | undefined;
}

/** The queues of requests of your apps. */
export class Queue {
  readonly #session: PlatformSession;

  constructor(session: PlatformSession) {
    this.#session = session;
  }

  /** The number of queued requests of an app. */
  async size(appName: string, { environment, byUser = false }: QueueSizeOptions = {}): Promise<QueueSize> {
    const query = byUser ? "?by_user=true" : "";
    const answer = await this.#ask(appName, environment, (rest, path) =>
      rest.json({ method: "GET", path: `${path}${query}` }),
    );
    const fields = fieldsOf(answer);
    const size = countOf(fields["size"] ?? fields["queue_size"]);
    if (size === undefined) {
      const message = "The control plane's answer does not say how many requests wait.";
      throw new PlatformError("PLATFORM_REFUSED", message);
    }
    return { size, byUser: byUser ? countsOf(fields["by_user"]) : undefined };
  }

  /** Drops the queued requests of an app: they are never processed. */
  async flush(appName: string, { environment, callerUserId }: FlushQueueOptions = {}): Promise<void> {
    if (callerUserId === "") throw new UsageError("The id of the user whose requests are dropped is empty.");
    const fields = callerUserId === undefined ? {} : { caller_user_id: callerUserId };
    const query = new URLSearchParams(fields).toString();
    await this.#ask(appName, environment, async (rest, path) => {
      const request = { method: "DELETE", path: query === "" ? path : `${path}?${query}` } as const;
      const response = await rest.send(request);
      if (!response.ok) throw await rest.failure(response, request);
      // The body is not read, because its form is not documented.
      await response.body?.cancel();
    });
  }

  /** Sends a request about an app's queue, by the app's owner and name. */
  async #ask<T>(
    appName: string,
    environment: string | undefined,
    request: (rest: Rest, path: string) => Promise<T>,
  ): Promise<T> {
    const alias = aliasName(appName, environment);
    const rest = await this.#session.rest();
    const { nickname } = await currentUser(this.#session);
    const place = [nickname, alias].map(encodeURIComponent).join("/");
    try {
      return await request(rest, `/applications/${place}/queue`);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.status !== "HTTP 404") throw error;
      // Keep the control plane's own message if it is more specific.
      if (!/^Not found\.$/i.test(error.message)) throw error;
      const message = `There is no app ${plainLine(alias)}; "servable apps list" shows those there are.`;
      throw new PlatformError("PLATFORM_REFUSED", message, { status: error.status });
    }
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** Counts by user id, from a map or a list. */
function countsOf(value: unknown): Record<string, number> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const pairs: [unknown, unknown][] = Array.isArray(value)
    ? value.map((item: unknown) => {
        const fields = fieldsOf(item);
        return [fields["caller_user_id"] ?? fields["user_id"], fields["size"] ?? fields["queue_size"]];
      })
    : Object.entries(value);
  return Object.fromEntries(
    pairs.flatMap(([user, size]): [string, number][] => {
      const count = countOf(size);
      return typeof user === "string" && count !== undefined ? [[user, count]] : [];
    }),
  );
}

function countOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
