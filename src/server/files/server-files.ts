import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import type { RequestContext } from "../../context.ts";
import type { MediaRule } from "../../routes/media-rule.ts";
import type { MediaCall, MediaRequest, MediaServer } from "../../routes/media-runtime.ts";
import { mediaOf } from "../../routes/route-media.ts";
import type { RouteSignature } from "../../routes/signature.ts";
import type { ResolvedServerOptions, ServerDefinition } from "../definition.ts";
import type { HttpContext } from "../http/http-context.ts";
import type { RouteFiles } from "../http/standard-route.ts";
import { mountFiles } from "./stored-files.ts";

/** The files of the sessions of a realtime route. */
export interface SessionFiles {
  /** Connects the files of an input with its session. Returns the input, or a promise of it. */
  accept(input: unknown, context: RequestContext): unknown;
  /** An output with its files in the form of the route's frames, or a promise of it. */
  present(output: unknown, context: RequestContext): unknown;
}

/** A context that has the files of its call or session. */
interface WithFiles {
  files?: MediaCall | undefined;
}

/** The files of a call or session; undefined on a route without files. */
export function filesOf(context: RequestContext): MediaCall | undefined {
  return (context as WithFiles).files;
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
      of: (context) => (context.files ??= server.begin(new HttpMediaRequest(context, rootPath))),
      loadsFirst: inWorkers || route.dispatch?.batch !== undefined,
      inWorkers,
    };
  }

  /** The files of the sessions of a realtime route; undefined for a route without any. */
  ofSessions(route: RouteSignature, inWorkers: boolean): SessionFiles | undefined {
    const rule = mediaOf(route);
    if (rule === undefined) return undefined;
    const server = this.open(rule);
    const origin = (context: RequestContext): string =>
      `${this.#options.https === undefined ? "http" : "https"}://${textOf(context.headers["host"])}${this.#options.rootPath}`;
    const of = (context: RequestContext & WithFiles): MediaCall => {
      if (context.files !== undefined) return context.files;
      const call = server.begin(sessionRequest(context, () => origin(context)));
      context.signal.addEventListener("abort", () => call.end(), { once: true });
      return (context.files = call);
    };
    // Frames of JSON can't carry bytes.
    const hasBytes = route.contentType !== "application/json" || route.encodeMessage !== undefined;
    const isOneByOne = route.realtimeMode === "unary";
    return {
      accept(input, context) {
        const call = of(context);
        if (isOneByOne) call.end(); // the call before is over
        call.bind(input, ["body"]);
        const loadsFirst = inWorkers || route.dispatch?.batch !== undefined;
        return loadsFirst ? call.load(input).then(() => input) : input;
      },
      present(output, context) {
        const call = of(context);
        const own = inWorkers ? call.unpack(output) : output;
        return hasBytes ? call.withBytes(own) : call.store(own);
      },
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

/**
 * The facts of an HTTP request. A class, because each object literal with getters gets a hidden class of its own in V8, which
 * keeps the request and its body in memory until a full garbage collection.
 */
class HttpMediaRequest implements MediaRequest {
  readonly #context: HttpContext;
  readonly #rootPath: string;

  constructor(context: HttpContext, rootPath: string) {
    this.#context = context;
    this.#rootPath = rootPath;
  }

  get requestId(): string {
    return this.#context.requestId;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  get log(): Logger {
    return this.#context.log;
  }

  header(name: string): string | undefined {
    return textOf(this.#context.rawHeaders[name]);
  }

  headerNames(): string[] {
    return Object.keys(this.#context.rawHeaders);
  }

  origin(): string {
    const { protocol, host } = this.#context.request;
    return `${protocol}://${host}${this.#rootPath}`;
  }
}

function sessionRequest(
  { requestId, signal, log, headers }: RequestContext,
  origin: () => string,
): MediaRequest {
  const header = (name: string): string | undefined => textOf(headers[name]);
  return { requestId, signal, log, header, headerNames: () => Object.keys(headers), origin };
}

function textOf(value: string | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : value?.[0];
}
