import type { BaseServable } from "../servable/base-servable.ts";
import type { ServeAddresses } from "../server/lifecycle/serve.ts";
import type { LoadedApp } from "./module-loader.ts";
import { methodOf, type RouteSignature } from "../routes/signature.ts";
import { exampleOf } from "./example-value.ts";
import { packageVersion } from "./package-root.ts";
import { styleFor } from "./style.ts";

/** An app with what is shown of it. */
interface ShownApp extends LoadedApp {
  /** False if it serves no page at `/docs`. Default true. */
  readonly hasDocs?: boolean;
}

/** The text shown on a terminal once an app listens: its addresses, its routes, and a request to paste. */
export function banner(
  { name, app, hasDocs }: ShownApp,
  addresses: ServeAddresses,
  isWatching: boolean,
): string {
  const { url } = addresses;
  const pages = pagesOf(addresses, { hasDocs });
  const lines = [
    headline(name, app),
    "",
    ...placeLines([
      ["App", url],
      ["Docs", pages.docs],
      ["Health", pages.health ?? curl(addresses, "/health")],
      ["Metrics", addresses.metricsUrl ?? "off"],
    ]),
    "",
    ...routeLines(app),
    "",
    ...tryIt(app, addresses).map((line) => `  ${line}`),
    "",
    ending(isWatching),
  ];
  return `\n${lines.join("\n")}\n\n`;
}

/** An app that is served together with others. */
interface ListedApp extends ShownApp {
  /** The path that its requests begin with. */
  readonly prefix: string;
}

/** The text shown once several apps listen: the common addresses, then the addresses and routes of each app. */
export function bannerOfSeveral(
  apps: readonly ListedApp[],
  addresses: ServeAddresses,
  isWatching: boolean,
): string {
  const { bold } = styleFor(process.stdout);
  const { url, metricsUrl } = addresses;
  const lines = [
    headline(`${apps.length} apps`),
    "",
    ...placeLines([
      ["App", url],
      ["Health", pagesOf(addresses).health ?? curl(addresses, "/health")],
      ["Metrics", metricsUrl ?? "off"],
    ]),
    "",
    ...apps.flatMap(({ name, app, prefix, hasDocs }) => {
      return [
        `  ${bold(name)} ${versionOf(app)}`,
        ...placeLines([
          ["App", addresses.port === undefined ? prefix : url + prefix],
          ["Docs", pagesOf(addresses, { prefix, hasDocs }).docs],
        ]),
        ...routeLines(app),
        ...tryIt(app, addresses, { prefix }).map((line) => `  ${line}`),
        "",
      ];
    }),
    ending(isWatching),
  ];
  return `\n${lines.join("\n")}\n\n`;
}

function headline(name: string, app?: BaseServable): string {
  const { bold, dim, green } = styleFor(process.stdout);
  const ms = Math.round(performance.now());
  const version = app === undefined ? "" : ` ${versionOf(app)}`;
  const verb = app === undefined ? "are" : "is";
  return `${green("●")} ${bold(name)}${version} ${dim(`${verb} ready in ${ms} ms · servable ${packageVersion()}`)}`;
}

function versionOf(app: BaseServable): string {
  return (app.constructor as typeof BaseServable).version;
}

/** The places that are known. */
function placeLines(places: readonly (readonly [label: string, place: string | undefined])[]): string[] {
  const { bold, cyan, dim } = styleFor(process.stdout);
  return places.flatMap(([label, place]) =>
    place === undefined
      ? []
      : [`  ${dim(label.padEnd(8))} ${label === "App" ? bold(cyan(place)) : cyan(place)}`],
  );
}

function routeLines(app: BaseServable): string[] {
  const { dim } = styleFor(process.stdout);
  const routes = routesOf(app);
  const width = Math.max(...routes.map(({ path }) => path.length));
  return routes.map(
    ({ kind, path, method }) => `  ${dim(kind.padEnd(8))} ${path.padEnd(width)}  ${dim(method)}`,
  );
}

function ending(isWatching: boolean): string {
  return styleFor(process.stdout).dim(
    isWatching ? "  Watching for changes. Ctrl-C stops." : "  Ctrl-C stops.",
  );
}

/** The URLs of the docs and the health of an app. On a unix socket, paths have no URLs. */
export function pagesOf(
  { url, port }: ServeAddresses,
  { prefix = "", hasDocs = true }: { readonly prefix?: string; readonly hasDocs?: boolean | undefined } = {},
): { readonly docs: string | undefined; readonly health: string | undefined } {
  if (port === undefined) return { docs: undefined, health: undefined };
  return { docs: hasDocs ? `${url}${prefix}/docs` : undefined, health: `${url}${prefix}/health` };
}

interface ShownRoute {
  readonly kind: string;
  readonly path: string;
  readonly method: string;
}

/** The routes of an app, as people read them. */
export function routesOf(app: BaseServable): ShownRoute[] {
  return [...app.collectRoutes().keys()].map((route) => ({
    kind: route.isWebsocket ? "SOCKET" : route.stream ? "STREAM" : methodOf(route),
    path: route.path,
    method: `${route.methodName}()`,
  }));
}

/** A request to the first endpoint, ready to paste into a shell. */
export function tryIt(
  app: BaseServable,
  addresses: ServeAddresses,
  { prefix = "", platform = process.platform }: { readonly prefix?: string; readonly platform?: string } = {},
): string[] {
  const route = [...app.collectRoutes().keys()].find(({ isWebsocket }) => !isWebsocket);
  if (route === undefined) return [];
  const body = route.input === undefined ? "" : JSON.stringify(exampleOf(route.input));
  const quote = (text: string): string => quoted(text, platform);
  const method = methodOf(route);
  const isPlain = method === (body === "" ? "GET" : "POST");
  const flags = [
    ...(route.stream ? ["-N"] : []),
    ...(isPlain ? [] : [`-X ${method}`]),
    ...Object.entries(exampleFields(route.headers)).flatMap(([name, value]) => [
      "-H",
      quote(`${name}: ${value}`),
    ]),
    ...(body === "" ? [] : ["-H", quote("content-type: application/json"), "-d", quote(body)]),
  ];
  return [[curl(addresses, prefix + exampleTarget(route), platform), ...flags].join(" ")];
}

/** The beginning of a command that sends a request to a path. */
function curl(
  { url, scheme, port }: ServeAddresses,
  path: string,
  platform = process.platform as string,
): string {
  const target = (port === undefined ? `${scheme}://localhost` : url) + path;
  const isPlain = !target.includes("?");
  const file = url.slice("unix:".length);
  return [
    "curl",
    ...(port === undefined ? ["--unix-socket", /^[\w./-]+$/.test(file) ? file : quoted(file, platform)] : []),
    isPlain ? target : quoted(target, platform),
  ].join(" ");
}

/** A text as one argument in a shell. */
function quoted(text: string, platform: string): string {
  return platform === "win32" ? `"${text.replaceAll('"', '\\"')}"` : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A path and query that fit a route's schemas. */
function exampleTarget({ path, params, query }: RouteSignature): string {
  const values = exampleFields(params);
  const filled = path.replaceAll(/:([^/]+)/g, (_, name: string) => encodeURIComponent(values[name] ?? "1"));
  const search = new URLSearchParams(exampleFields(query)).toString();
  return search === "" ? filled : `${filled}?${search}`;
}

/** The fields of an example that are written as text. */
function exampleFields(schema: RouteSignature["query"]): Readonly<Record<string, string>> {
  const example: unknown = schema === undefined ? {} : exampleOf(schema);
  if (typeof example !== "object" || example === null) return {};
  const scalars = Object.entries(example).filter(([, value]) => typeof value !== "object");
  return Object.fromEntries(scalars.map(([name, value]) => [name, String(value)]));
}
