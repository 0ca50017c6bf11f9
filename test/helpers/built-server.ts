import type { AddressInfo } from "node:net";
import { pino } from "pino";
import type { BaseServable } from "servable";
import { DESCRIBE } from "../../src/routes/servable.ts";
import { buildServer, type BuiltServer } from "../../src/server/build.ts";
import type { ServerOptions } from "../../src/server/definition.ts";

/** A server whose internals a test can read. */
export interface Served<A> extends AsyncDisposable {
  readonly app: A;
  readonly built: BuiltServer;
  readonly port: number;
  readonly url: string;
}

/** Serves an app on a free port, with access to the server's internals. */
export async function serveBuilt<A extends BaseServable>(
  app: A,
  options: ServerOptions = {},
): Promise<Served<A>> {
  const built = buildServer(app[DESCRIBE](), { logger: pino({ level: "silent" }), ...options });
  await built.server.listen({ host: "127.0.0.1", port: 0 });
  const { port } = built.server.server.address() as AddressInfo;
  return {
    app,
    built,
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = built.server.close();
      built.server.server.closeAllConnections();
      await closed;
    },
  };
}
