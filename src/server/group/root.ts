import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { answerFor, asError } from "../../answers.ts";
import { AppException, DefinitionError } from "../../errors.ts";
import { type AnswerHeaders, PAGE_HEADERS } from "../http/answer-headers.ts";
import { escapeHtml } from "../http/html.ts";
import { isForPage } from "../http/not-found.ts";
import { isDeepStrictEqual } from "node:util";
import { pick } from "../../settings/defined-fields.ts";
import type { Setting } from "../../settings/setting.ts";
import { SETTINGS } from "../../settings/settings.ts";
import type { ServeDefinition, ServerSettings } from "../definition.ts";

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
    settings: settingsOfPort(definitions),
    startupTimeoutMs: Math.max(...definitions.map(({ startupTimeoutMs }) => startupTimeoutMs)),
    terminationGraceMs: Math.max(...definitions.map(({ terminationGraceMs }) => terminationGraceMs)),
  };
}

/** The settings that belong to the port, so that all classes behind it share one value. */
const OF_THE_PORT = [
  ...(["backlog", "https", "metricsPort", "metricsHost", "maxConnections", "maxSessions"] as const),
  ...([
    "headerLimitBytes",
    "headersTimeoutMs",
    "arrivalTimeoutMs",
    "keepAliveTimeoutMs",
    "sendTimeoutMs",
  ] as const),
  ...(["maxBytesInFlight", "maxUploadBytes", "uploadFolder"] as const),
] as const satisfies readonly (keyof ServerSettings)[];

/** The statics of all classes that belong to their port. */
function settingsOfPort(definitions: readonly ServeDefinition[]): ServerSettings {
  return Object.assign(
    {},
    ...definitions.map(({ settings }) => pick(settings, OF_THE_PORT)),
  ) as ServerSettings;
}

/**
 * Refuses classes whose statics want different values of what they share, unless an option or a variable decides.
 * @throws DefinitionError that names two classes and their values
 */
export function assertSamePort(members: readonly GroupMember[], options: ServerSettings): void {
  for (const name of OF_THE_PORT) {
    const { variable }: Setting = SETTINGS[name];
    if (options[name] !== undefined || (variable !== undefined && (process.env[variable] ?? "") !== ""))
      continue;
    const [first, ...others] = members
      .map(({ definition }) => ({ of: definition.name, value: definition.settings[name] }))
      .filter(({ value }) => value !== undefined);
    const other = others.find(({ value }) => !isDeepStrictEqual(value, first?.value));
    if (first === undefined || other === undefined) continue;
    const values = name === "https" ? "" : ` (${String(first.value)} and ${String(other.value)})`;
    throw new DefinitionError(
      "SETTING_INVALID",
      `${first.of} and ${other.of} have different values of ${name}${values}. Classes that are served together ` +
        `share one; choose it with an option or a flag.`,
    );
  }
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
  const link = (path: string, text: string): string =>
    `<a href="${escapeHtml(path)}">${escapeHtml(text)}</a>`;
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
