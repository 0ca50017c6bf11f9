import type { FastifyInstance } from "fastify";
import { isStandardSchema } from "../../routes/standard-schema.ts";
import { findMediaRule, type MediaRule } from "../../routes/media-rule.ts";
import type { MediaRequest, MediaServer } from "../../routes/media-runtime.ts";
import type { RouteSignature } from "../../routes/signature.ts";
import type { ResolvedServerOptions, ServerDefinition } from "../definition.ts";
import type { HttpContext } from "../http/http-context.ts";
import type { RouteFiles } from "../http/standard-route.ts";
import { mountFiles } from "./stored-files.ts";

/** The rule of files in the schemas of a route; undefined for a route without files. */
function mediaOf(route: Pick<RouteSignature, "input" | "output" | "item">): MediaRule | undefined {
  for (const schema of [route.input, route.output, route.item]) {
    const rule = isStandardSchema(schema) ? undefined : findMediaRule(schema);
    if (rule !== undefined) return rule;
  }
  return undefined;
}

/** The files of the calls of a server. The first route with files opens their folder and storage. */
export class ServerFiles {
  readonly #definition: ServerDefinition;
  readonly #options: ResolvedServerOptions;
  #server: MediaServer | undefined;

  constructor(definition: ServerDefinition, options: ResolvedServerOptions) {
    this.#definition = definition;
    this.#options = options;
  }

  /** The files of a route; undefined for a route without any. @throws DefinitionError for an invalid storage */
  ofRoute(route: RouteSignature, inWorkers: boolean): RouteFiles | undefined {
    const rule = mediaOf(route);
    if (rule === undefined) return undefined;
    const server = this.open(rule);
    const { rootPath } = this.#options;
    return {
      of: (context) => (context.files ??= server.begin(requestOf(context, rootPath))),
      loadsFirst: inWorkers || route.dispatch?.batch !== undefined,
      inWorkers,
    };
  }

  /** The server of files with this rule. @throws DefinitionError for an invalid storage */
  open(rule: MediaRule): MediaServer {
    const { storage, fileHosts, uploadFolder, logger, clock } = this.#options;
    return (this.#server ??= rule.runtime.open({
      appName: this.#definition.name,
      storage,
      fileHosts,
      temporaryFolder: uploadFolder,
      log: logger,
      after: (ms, callback) => clock.after(ms, callback),
    }));
  }

  /** Adds the route of stored files, and ties the files to the life of a server. */
  mount(scope: FastifyInstance, parts: Parameters<typeof mountFiles>[2]): void {
    const server = this.#server;
    if (server === undefined) return;
    if (server.servesFiles) mountFiles(scope, server, parts);
    scope.addHook("onReady", () => server.start());
    scope.addHook("onClose", () => server.close());
  }
}

function requestOf(context: HttpContext, rootPath: string): MediaRequest {
  return {
    get requestId() {
      return context.requestId;
    },
    get signal() {
      return context.signal;
    },
    get log() {
      return context.log;
    },
    header(name) {
      const value = context.rawHeaders[name];
      return typeof value === "string" ? value : value?.[0];
    },
    origin() {
      const { protocol, host } = context.request;
      return `${protocol}://${host}${rootPath}`;
    },
  };
}
