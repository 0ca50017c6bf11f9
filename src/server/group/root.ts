import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { answerFor, asError } from "../../answers.ts";
import { AppException } from "../../errors.ts";
import { type AnswerHeaders, PAGE_HEADERS } from "../http/answer-headers.ts";
import { isForPage } from "../http/not-found.ts";
import type { ServeDefinition } from "../definition.ts";

/** A class to serve on a shared port. */
export interface GroupMember {
  /** The path that its requests begin with, such as `/text-to-image`. */
  readonly prefix: string;
  readonly definition: ServeDefinition;
}

/**
 * Describes the server at the root of several classes: it opens the port, answers for all of them at the probes, and
 * holds nothing that needs a caller.
 */
export function rootDefinition(members: readonly GroupMember[], log: Logger): ServeDefinition {
  const definitions = members.map(({ definition }) => definition);
  return {
    app: {},
    name: definitions.map(({ name }) => name).join(", "),
    version: "",
    routes: new Map(),
    authentication: undefined,
    health: () => healthOfAll(members, log),
    provideHints: undefined,
    configure: undefined,
    async *lifespan() {
      yield;
    },
    handleExit: () => exitAll(definitions, log),
    defaultTimeoutMs: undefined,
    overloadStatus: undefined,
    className: "",
    moduleUrl: undefined,
    workers: undefined,
    needsSetUp: false,
    maxConcurrency: undefined,
    stuckGraceMs: undefined,
    metricsPort: definitions.map(({ metricsPort }) => metricsPort).find((port) => port !== undefined),
    startupTimeoutMs: Math.max(...definitions.map(({ startupTimeoutMs }) => startupTimeoutMs)),
    terminationGraceMs: Math.max(...definitions.map(({ terminationGraceMs }) => terminationGraceMs)),
  };
}

/** The answers of all classes, by their prefixes. @throws AppException with the status of the first unhealthy class */
async function healthOfAll(
  members: readonly GroupMember[],
  log: Logger,
): Promise<Readonly<Record<string, unknown>>> {
  const answers = members.map(async ({ prefix, definition }) => {
    try {
      return [prefix, await definition.health()] as const;
    } catch (error) {
      const { status, body, unexpected } = answerFor(error);
      if (unexpected)
        log.error({ err: asError(error, "health"), app: definition.name }, "GET /health failed");
      const why = typeof body.detail === "string" ? body.detail : JSON.stringify(body.detail);
      throw new AppException(`${prefix} is unhealthy: ${why}`, status);
    }
  });
  return { apps: Object.fromEntries(await Promise.all(answers)) };
}

/** Calls `handleExit()` of every class; a failure of one does not keep the others from it. */
async function exitAll(definitions: readonly ServeDefinition[], log: Logger): Promise<void> {
  const exits = definitions.map(async (definition) => {
    try {
      await definition.handleExit();
    } catch (error) {
      log.error({ err: asError(error, "handleExit"), app: definition.name }, "handleExit() failed");
    }
  });
  await Promise.all(exits);
}

/** Headers of the list as a page, which loads nothing. */
const INDEX_HEADERS = {
  ...PAGE_HEADERS,
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

/**
 * Mounts `GET /`, the list of the classes: a page for browsers, JSON for others. It is open to everyone, so it holds
 * only paths.
 */
export function mountIndex(
  server: FastifyInstance,
  headers: AnswerHeaders,
  { prefixes, rootPath }: { prefixes: readonly string[]; rootPath: string },
): void {
  const apps = prefixes.map((prefix) => {
    const path = rootPath + prefix;
    return { path, docs: `${path}/docs`, openapi: `${path}/openapi.json`, health: `${path}/health` };
  });
  const json = JSON.stringify({ apps });
  const page = pageOf(apps);
  server.get(
    "/",
    { exposeHeadRoute: true, config: { isFrameworkRoute: true, isPublic: true } },
    (request, reply) => {
      const isPage = isForPage(request);
      headers.apply(request, reply);
      const vary = reply.getHeader("vary");
      return reply
        .headers(isPage ? INDEX_HEADERS : PAGE_HEADERS)
        .header("vary", vary === undefined ? "Accept" : `Accept, ${String(vary)}`)
        .type(isPage ? "text/html; charset=utf-8" : "application/json")
        .send(isPage ? page : json);
    },
  );
}

function pageOf(apps: readonly Readonly<Record<"path" | "docs" | "openapi" | "health", string>>[]): string {
  const link = (path: string, text: string): string => `<a href="${escaped(path)}">${escaped(text)}</a>`;
  const rows = apps.map(({ path, docs, openapi, health }) => {
    return `<li>${link(docs, path)} <small>${link(openapi, "openapi.json")} ${link(health, "health")}</small></li>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Apps</title>
<style>body { font: 1rem/1.8 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem }</style>
<h1>Apps</h1>
<ul>
${rows.join("\n")}
</ul>
</html>
`;
}

/** A text in HTML: the root path may hold any character. */
function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
