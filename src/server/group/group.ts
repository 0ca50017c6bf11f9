import { once } from "node:events";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { Logger } from "pino";
import { createUploads } from "../bodies/body-readers.ts";
import { createBudget } from "../bodies/body-limits.ts";
import { buildServer, type BuiltServer } from "../build.ts";
import { type ServeDefinition, type ServerOptions, resolveServerOptions } from "../definition.ts";
import { setUp } from "../lifecycle/serve.ts";
import { Sessions } from "../sockets/sessions.ts";
import { MemberServer, type Port } from "./member-server.ts";
import { assertPrefixes, MemberTable } from "./member-table.ts";
import { type GroupMember, mountIndex } from "./root.ts";
import type { SharedParts } from "./shared-parts.ts";

/** A class with its server, a substitute for the one with the port. */
interface BuiltMember {
  readonly name: string;
  readonly prefix: string;
  readonly definition: ServeDefinition;
  readonly built: BuiltServer;
  readonly server: MemberServer;
}

/**
 * Several classes behind one port, each under its prefix. A server of its own at the root has the port, and passes the
 * requests and upgrades of a class to its server. The two are complete servers, so each class keeps its own hooks,
 * authentication and error handlers, and nothing of one class applies to another.
 */
export class Group {
  /** The server with the port. Its state, metrics and connections stand for all classes. */
  readonly root: BuiltServer;
  readonly #members: readonly BuiltMember[];
  readonly #table: MemberTable<BuiltMember>;

  /** @throws DefinitionError if a class can't be served, or not under its prefix */
  constructor(members: readonly GroupMember[], rootDefinition: ServeDefinition, given: ServerOptions) {
    const options = resolveServerOptions(given, rootDefinition.settings);
    const { rootPath } = options;
    const named = members.map((member) => ({ ...member, name: member.definition.name }));
    assertPrefixes(named, rootPath);
    // Large enough for each class: its settings and routes may allow larger bodies than those of the others.
    const each = members.map(({ definition }) => {
      const own = resolveServerOptions(given, { ...definition.settings, ...rootDefinition.settings });
      const routes = [...definition.routes.keys()];
      return { budget: createBudget(own, routes), uploads: createUploads(own, routes) };
    });
    const common = {
      budget: each
        .map(({ budget }) => budget)
        .reduce((one, other) => (other.maxBytes > one.maxBytes ? other : one)),
      uploads: each
        .map(({ uploads }) => uploads)
        .reduce((one, other) => (other.disk.maxBytes > one.disk.maxBytes ? other : one)),
      sessions: new Sessions(options.maxSessions),
    };
    const { auth: _, ...ofRoot } = given; // the root holds nothing that needs a caller
    const prefixes = members.map(({ prefix }) => prefix);
    this.root = buildServer(rootDefinition, ofRoot, {
      ...common,
      mountIndex: (scope, headers) => mountIndex(scope, headers, { prefixes, rootPath }),
    });
    const { server } = this.root.server;
    const port: Port = {
      server,
      event: this.root.isSecure ? "secureConnection" : "connection",
      closed: once(server, "close").then(async () => void (await Promise.all(this.root.ends))),
    };
    const shared = { ...common, connections: this.root.connections };
    this.#members = named.map((member) =>
      build(member, port, { given, rootPath, shared, log: options.logger }),
    );
    // Before any other listener: the checks of hosts and origins depend on the address.
    server.prependListener("listening", () => {
      for (const member of this.#members) member.server.emit("listening");
    });
    this.#table = new MemberTable(this.#members, rootPath);
    this.#join();
    this.#dispatch(server);
  }

  /**
   * Sets all classes up at the same time. If one fails, those that are set up are torn down.
   * @throws StartupError that names the class
   */
  async setUp(logger: Logger): Promise<void> {
    const setups = this.#members.map(({ built, definition }) =>
      setUp(built, definition, logger.child({ app: definition.name })),
    );
    const failed = (await Promise.allSettled(setups)).find((result) => result.status === "rejected");
    if (failed !== undefined) {
      await Promise.allSettled(this.#members.map(({ built }) => built.server.close()));
      throw failed.reason;
    }
    await this.root.server.ready();
    // Each server listens when the one with the port does. If that fails, these never settle, and are closed instead.
    for (const { built } of this.#members) void built.server.listen({ host: "127.0.0.1" });
  }

  /** Makes the root's state and metrics stand for all classes, and its end theirs. */
  #join(): void {
    const { server, state, metrics } = this.root;
    for (const { built, prefix } of this.#members) {
      state.members.push(built.state);
      metrics.members.push({ app: prefix.slice(1), metrics: built.metrics });
    }
    state.canWork = () => state.members.every((member) => member.canWork());
    state.stuck = () => {
      for (const member of state.members) {
        const stuck = member.stuck();
        if (stuck !== undefined) return stuck;
      }
      return undefined;
    };
    // The hooks of all run as if each had the port: first those for its end, while it is open, then teardown.
    let closed: Promise<unknown> | undefined;
    server.addHook("preClose", async () => {
      const ends = this.#members.map(({ built, server: { closing } }) => {
        const end = built.server.close();
        return { end, closing: Promise.race([closing, end]) };
      });
      closed = Promise.all(ends.map(({ end }) => end));
      await Promise.all(ends.map((each) => each.closing));
    });
    server.addHook("onClose", async () => void (await closed));
  }

  /** Passes the requests and upgrades of the port to the classes, the others to the root. */
  #dispatch(port: Server): void {
    const table = this.#table;
    const ofRoot = port.listeners("request") as RequestListener[];
    const upgradesOfRoot = port.listeners("upgrade") as UpgradeListener[];
    const find = (request: IncomingMessage): Server | undefined => {
      const { url = "/" } = request;
      const member = table.find(url);
      if (member !== undefined) request.url = table.withRootPath(url);
      return member?.server;
    };
    port.removeAllListeners("request");
    port.removeAllListeners("upgrade");
    port.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const server = find(request);
      if (server !== undefined) server.emit("request", request, response);
      else
        for (const listener of ofRoot)
          listener.call(port, request, response as Parameters<RequestListener>[1]);
    });
    port.on("upgrade", (request, socket, head) => {
      const server = find(request);
      if (server !== undefined) server.emit("upgrade", request, socket, head);
      else for (const listener of upgradesOfRoot) listener.call(port, request, socket, head);
    });
  }
}

type UpgradeListener = (request: IncomingMessage, socket: unknown, head: Buffer) => void;

function build(
  { name, prefix, definition }: GroupMember & { readonly name: string },
  port: Port,
  parts: { given: ServerOptions; rootPath: string; shared: SharedParts; log: Logger },
): BuiltMember {
  const options = {
    ...parts.given,
    rootPath: parts.rootPath + prefix,
    logger: parts.log.child({ app: name }),
  };
  let server!: MemberServer;
  const built = buildServer(definition, options, {
    ...parts.shared,
    serverFactory: (handle) => (server = new MemberServer(port, handle)),
  });
  return { name, prefix, definition, built, server };
}
