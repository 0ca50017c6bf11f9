import type { Pool, PoolClient, PoolConfig } from "pg";

/** Values of a query's parameters. Objects and arrays of them have to be passed through {@link json}. */
export type QueryValue = string | number | boolean | bigint | Date | Buffer | null | readonly string[] | Json;

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

/** Connections to the database of a platform. */
export class Database implements Queries {
  readonly #pool: Pool;
  readonly #onNotice: (error: Error) => void;

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

  async query<Row extends object>(text: string, values: readonly QueryValue[] = []): Promise<Row[]> {
    const { rows } = await this.#pool.query<Row>(text, [...values]);
    return rows;
  }

  /** Runs `work` in a transaction, which is rolled back if it throws. */
  async transaction<Result>(work: (queries: Queries) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect();
    client.on("error", this.#onNotice);
    let isBroken = false;
    try {
      await client.query("begin");
      const result = await work(queriesOf(client));
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback").catch(() => (isBroken = true));
      throw error;
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

function queriesOf(client: PoolClient): Queries {
  return {
    async query<Row extends object>(text: string, values: readonly QueryValue[] = []): Promise<Row[]> {
      const { rows } = await client.query<Row>(text, [...values]);
      return rows;
    },
  };
}
