import type { Logger } from "pino";

/**
 * What a lifespan gets for its server in a worker, where there is none. The same lifespan runs in the main process,
 * on the real server: there its routes and hooks are added, here the calls that would add them do nothing.
 */
export function createServerStandIn(log: Logger): object {
  const standIn: object = new Proxy(() => {}, {
    get: (_target, name) => {
      if (name === "log") return log;
      // Neither a promise to be awaited nor a value to be converted.
      return name === "then" || typeof name === "symbol" ? undefined : standIn;
    },
    apply: () => standIn,
    set: () => true,
    has: () => true,
  });
  return standIn;
}
