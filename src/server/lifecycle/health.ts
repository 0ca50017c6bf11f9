import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { answerFor, asError } from "../../answers.ts";
import { type AnswerHeaders, PAGE_HEADERS } from "../http/answer-headers.ts";
import type { ServerDefinition } from "../definition.ts";
import type { AnswerCounter } from "../metrics/answer-counter.ts";
import type { ServerMetrics } from "../metrics/metrics.ts";
import type { ServerState } from "./server-state.ts";

/** Mounts `GET /health` and the probes `GET /livez` and `GET /readyz`, unless the app has a route of its own there. */
export function mountHealth(
  server: FastifyInstance,
  parts: {
    definition: ServerDefinition;
    metrics: ServerMetrics;
    counter: AnswerCounter;
    headers: AnswerHeaders;
    state: ServerState;
    log: Logger;
  },
): void {
  const { definition, metrics, counter, headers, state, log } = parts;
  const mount = (path: string, probe: () => unknown): void => {
    if (server.hasRoute({ method: "GET", url: path })) return; // configure() added its own
    const counted = metrics.route("GET", path);
    server.get(
      path,
      { exposeHeadRoute: true, config: { isFrameworkRoute: true, isPublic: true } },
      async (request, reply) => {
        const started = performance.now();
        counted.inProgress++;
        let status = 200;
        let body: string;
        try {
          body = JSON.stringify(await probe()) ?? "null";
        } catch (error) {
          const answer = answerFor(error);
          if (answer.unexpected) log.error({ err: asError(error, "health") }, `GET ${path} failed`);
          status = answer.status;
          body = JSON.stringify(answer.body);
        }
        counted.inProgress--;
        if (path === "/readyz" && !state.isReady) status = 503;
        if (path === "/livez" && state.stuck() !== undefined) status = 503;
        counter.count(counted, reply.raw, status, started);
        return headers.sendJson(request, reply, status, body, PAGE_HEADERS);
      },
    );
  };
  mount("/health", () => definition.health());
  mount("/livez", () => ({ status: liveness(state, log) }));
  mount("/readyz", () => ({ status: readiness(state) }));
}

/** If endless calls hold all slots, only a restart of the process helps. */
function liveness(state: ServerState, log: Logger): string {
  const stuck = state.stuck();
  if (stuck === undefined) return "alive";
  log.error(`${stuck} accepts no calls: calls long past their deadlines hold all of its slots`);
  return "stuck";
}

function readiness(state: ServerState): string {
  if (state.stopping) return "stopping";
  if (!state.ready) return "starting";
  if (!state.canWork()) return "no workers";
  return state.stuck() === undefined ? "ready" : "stuck";
}
