import type { FastifyInstance, FastifyServerOptions } from "fastify";
import type { MemoryBudget } from "../bodies/memory-budget.ts";
import type { Uploads } from "../bodies/uploads/uploads.ts";
import type { Connections } from "../connections/connections.ts";
import type { AnswerHeaders } from "../http/answer-headers.ts";
import type { Sessions } from "../sockets/sessions.ts";

/** The parts that exist once for all classes on a port. */
export interface SharedParts {
  /** The memory for callers' input. */
  readonly budget: MemoryBudget;
  /** Open websockets. */
  readonly sessions: Sessions;
  readonly uploads: Uploads;
  /** The connections of the port; undefined for the server that opens it, which creates them. */
  readonly connections?: Connections;
  /** Creates the substitute for the server with the port; undefined for the one that opens it. */
  readonly serverFactory?: FastifyServerOptions["serverFactory"];
  /** Mounts the list of the classes in place of documentation; undefined for a class. */
  mountIndex?(scope: FastifyInstance, headers: AnswerHeaders): void;
}
