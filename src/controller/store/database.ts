import type { Pool, PoolClient, PoolConfig } from "pg";
import { Backoff } from "../../processes/backoff.ts";
import { pause } from "../../processes/timers.ts";

/** Values of a query's parameters. Objects and arrays of them have to be passed through {@link json}. */
export type QueryValue =
  string | number | boolean | bigint | Date | Buffer | null | readonly (string | null)[] | Json;

/** Runs queries: the database, or a transaction of it. */
export interface Queries {
  /**
   * Runs one statement with parameters `$1`, `$2`, ….
   * @returns its rows
   * @throws the database's error
   */
  query<Row extends object>(text: string, values?: readonly QueryValue[]): Promise<Row[]>;
}

/** A value that is stored as `jsonb`. */
class Json {
  readonly #value: unknown;

  constructor(value: unknown) {
    this.#value = value;
  }

  toPostgres(): string {
    return JSON.stringify(this.#value);
  }
}

/** Marks a parameter as JSON: a list would become an array of PostgreSQL otherwise. */
export function json(value: unknown): Json {
  return new Json(value);
}

/** The database can't do what it was asked to now; the message says why, and whether a change may have been made. */
export class DatabaseAway extends Error {}

/** A value of the caller is none that the database takes: a text with a zero byte, a date in the year 300,000. */
export class UnstorableValue extends Error {
  constructor(cause: unknown) {
    super(
      "A value of the call can't be stored or looked for: a text with a zero byte, or a time or number beyond its range.",
      {
        cause,
      },
    );
  }
}

/** Time for a database that is started again, in milliseconds. */
const RESTART_MS = 10_000;

/** Connections to the database of a platform. */
export class Database implements Queries {
  readonly #pool: Pool;
  readonly #onNotice: (error: Error) => void;
  /** Whether it has answered once: only then it is worth waiting for. */
  #wasThere = false;

  /** The same database for those who rather fail at once than wait until it is started again. */
  readonly impatient: Queries = { query: (text, values) => this.#query(text, values, 0) };

  private constructor(pool: Pool, onNotice: (error: Error) => void) {
    this.#pool = pool;
    this.#onNotice = onNotice;
    // A connection that breaks while it is idle is replaced by the next query.
    pool.on("error", onNotice);
  }

  /**
   * Opens connections on first use.
   * @param target the URL of a database, or the socket of a server
   * @param onNotice called when an idle connection breaks
   */
  static async open(
    target: string | Pick<PoolConfig, "host" | "port" | "user" | "database">,
    onNotice: (error: Error) => void = () => {},
  ): Promise<Database> {
    const { default: pg } = await import("pg");
    // Numbers of rows and sizes fit into a number; the database reports them with 64 bits.
    pg.types.setTypeParser(20, Number);
    const place = typeof target === "string" ? { connectionString: target } : target;
    return new Database(
      new pg.Pool({ ...place, max: 20, application_name: "servable", allowExitOnIdle: true }),
      onNotice,
    );
  }

  /** Runs one statement. Waits for a database that is started again. @throws DatabaseAway if it ended during a change */
  async query<Row extends object>(text: string, values: readonly QueryValue[] = []): Promise<Row[]> {
    return this.#query(text, values, RESTART_MS);
  }

  async #query<Row extends object>(
    text: string,
    values: readonly QueryValue[] = [],
    patienceMs: number,
  ): Promise<Row[]> {
    const until = performance.now() + patienceMs;
    for (;;) {
      const client = await this.#connect(until);
      let isBroken = false;
      client.on("error", this.#onNotice);
      try {
        return (await client.query<Row>(text, [...values])).rows;
      } catch (error) {
        isBroken = isLost(error);
        // Reading once more does no harm.
        const mayRepeat = /^\s*select\b/i.test(text) && performance.now() < until;
        if (isBroken && !mayRepeat) throw away(error);
        if (!isBroken) throw refusal(error) ?? error;
      } finally {
        client.off("error", this.#onNotice);
        client.release(isBroken);
      }
    }
  }

  /** A connection. Nothing was sent if there is none, so that it can be tried again. */
  async #connect(until: number): Promise<PoolClient> {
    const backoff = new Backoff({ firstMs: 20, lastMs: 500 });
    for (;;) {
      try {
        const client = await this.#pool.connect();
        this.#wasThere = true;
        return client;
      } catch (error) {
        if (!this.#wasThere || !isLost(error)) throw error;
        if (performance.now() >= until) throw absent(error);
        await pause(backoff.next(), undefined);
      }
    }
  }

  /** Runs `work` in a transaction, which is rolled back if it throws. */
  async transaction<Result>(work: (queries: Queries) => Promise<Result>): Promise<Result> {
    const client = await this.#connect(performance.now() + RESTART_MS);
    client.on("error", this.#onNotice);
    let isBroken = false;
    try {
      await client.query("begin");
      const result = await work(queriesOf(client));
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback").catch(() => (isBroken = true));
      throw isLost(error) ? away(error) : (refusal(error) ?? error);
    } finally {
      client.off("error", this.#onNotice);
      client.release(isBroken);
    }
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    await this.#pool.end();
  }
}

/** Codes of a database that ends, has ended or is starting. */
const LOST: ReadonlySet<unknown> = new Set([
  ...["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"],
  ...["57P01", "57P02", "57P03"],
]);

function isLost(error: unknown): boolean {
  const { code, message } = error as { readonly code?: unknown; readonly message?: string };
  return LOST.has(code) || /Connection terminated|not queryable/.test(message ?? "");
}

function away(cause: unknown): DatabaseAway {
  return new DatabaseAway(
    "The database has ended during the call, and is started again: look whether the change was made, and try again.",
    { cause },
  );
}

/** No connection was made within the time for it. */
function absent(cause: unknown): DatabaseAway {
  return new DatabaseAway(
    "The database does not answer, and is started again: nothing was changed. Try again.",
    { cause },
  );
}

/** Codes of a database that refuses a change, and continues. */
const REFUSALS: Readonly<Record<string, string>> = {
  "53100": "The disk of the database is full, and nothing was changed: make room on it, and try again.",
  "53200": "The database has no memory left, and nothing was changed: try again.",
  "53300": "The database has too many connections, and nothing was changed: try again.",
};

/** Codes for a number or a time beyond its range, and for a text with a zero byte. */
const INVALID_VALUES: ReadonlySet<string> = new Set(["22003", "22007", "22008", "22021", "22P05"]);

function refusal(cause: unknown): DatabaseAway | UnstorableValue | undefined {
  const { code } = cause as { readonly code?: unknown };
  if (typeof code !== "string") return undefined;
  const message = REFUSALS[code];
  if (message !== undefined) return new DatabaseAway(message, { cause });
  return INVALID_VALUES.has(code) ? new UnstorableValue(cause) : undefined;
}

function queriesOf(client: PoolClient): Queries {
  return {
    async query<Row extends object>(text: string, values: readonly QueryValue[] = []): Promise<Row[]> {
      const { rows } = await client.query<Row>(text, [...values]);
      return rows;
    },
  };
}
