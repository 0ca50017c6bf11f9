import type { BaseServable } from "../servable/base-servable.ts";
import type { ServeAddresses } from "../server/lifecycle/serve.ts";
import type { LoadedApp } from "./module-loader.ts";
import { methodOf, type RouteSignature } from "../routes/signature.ts";
import { exampleOf } from "./example-value.ts";
import { packageVersion } from "./package-root.ts";
import { styleFor } from "./style.ts";

/** The text shown on a terminal once an app listens: its addresses, its routes, and a request to paste. */
export function banner({ name, app }: LoadedApp, addresses: ServeAddresses, isWatching: boolean): string {
  const { url } = addresses;
  const lines = [
    headline(name, app),
    "",
    ...placeLines([
      ["App", url],
      ["Docs", `${url}/docs`],
      ["Health", `${url}/health`],
      ["Metrics", addresses.metricsUrl ?? "off"],
    ]),
    "",
    ...routeLines(app),
    "",
    ...tryIt(app, url).map((line) => `  ${line}`),
    "",
    ending(isWatching),
  ];
  return `\n${lines.join("\n")}\n\n`;
}

/** An app that is served together with others. */
interface ListedApp extends LoadedApp {
  /** Its own address, with its prefix. */
  readonly url: string;
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
      ["Health", `${url}/health`],
      ["Metrics", metricsUrl ?? "off"],
    ]),
    "",
    ...apps.flatMap(({ name, app, url: own }) => [
      `  ${bold(name)} ${versionOf(app)}`,
      ...placeLines([
        ["App", own],
        ["Docs", `${own}/docs`],
      ]),
      ...routeLines(app),
      ...tryIt(app, own).map((line) => `  ${line}`),
      "",
    ]),
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

function placeLines(places: readonly (readonly [label: string, place: string])[]): string[] {
  const { bold, cyan, dim } = styleFor(process.stdout);
  return places.map(
    ([label, place]) => `  ${dim(label.padEnd(8))} ${label === "App" ? bold(cyan(place)) : cyan(place)}`,
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
export function tryIt(app: BaseServable, url: string, platform: string = process.platform): string[] {
  const route = [...app.collectRoutes().keys()].find(({ isWebsocket }) => !isWebsocket);
  if (route === undefined) return [];
  const body = route.input === undefined ? "" : JSON.stringify(exampleOf(route.input));
  const quote = (text: string): string =>
    platform === "win32" ? `"${text.replaceAll('"', '\\"')}"` : `'${text.replaceAll("'", "'\\''")}'`;
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
  const target = url + exampleTarget(route);
  return [["curl", target.includes("?") ? quote(target) : target, ...flags].join(" ")];
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
