import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Who may import whom. A room may always import itself. The folders of controller/ are rooms of their own. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "error-kinds": [],
  errors: ["error-kinds", "answer-header"],
  "file-errors": ["errors"],
  answers: ["errors", "answer-header"],
  "answer-header": [],
  context: ["answer-header", "cookies"],
  cookies: [],
  "file-headers": [],
  items: ["answers"],
  tracing: ["context"],
  "did-you-mean": [],
  output: [],
  json: ["errors"],
  current: ["context"],
  settings: ["did-you-mean"],
  routes: ["settings", "errors", "context", "did-you-mean", "answer-header"],
  dispatch: ["errors"],
  typescript: [],
  cache: ["processes", "errors"],
  "log-entry": [],
  processes: ["answers", "errors"],
  environments: ["cache", "processes", "settings", "errors", "log-entry"],
  workers: [
    "tracing",
    "processes",
    "typescript",
    "dispatch",
    "routes",
    "json",
    "context",
    "answers",
    "errors",
    "output",
    "answer-header",
    "cookies",
    "items",
  ],
  openapi: ["routes", "errors", "answer-header"],
  realtime: ["dispatch", "routes", "json", "context", "answers", "errors", "cookies", "items"],
  server: [
    "tracing",
    "settings",
    "openapi",
    "realtime",
    "workers",
    "dispatch",
    "routes",
    "json",
    "context",
    "answers",
    "errors",
    "did-you-mean",
    "output",
    "temporary-folder",
    "answer-header",
    "file-headers",
    "cookies",
    "items",
  ],
  servable: ["settings", "server", "processes", "openapi", "routes", "context", "errors", "did-you-mean"],
  functions: [
    "log-entry",
    "tracing",
    "settings",
    "servable",
    "routes",
    "processes",
    "typescript",
    "answers",
    "errors",
    "did-you-mean",
  ],
  "build-context": ["errors"],
  platform: ["settings", "build-context", "processes", "errors", "did-you-mean"],
  packaging: ["settings", "build-context", "processes", "typescript", "log-entry", "errors", "did-you-mean"],
  hosts: [
    "log-entry",
    "environments",
    "tracing",
    "cache",
    "settings",
    "build-context",
    "processes",
    "deploy-config",
    "functions",
    "servable",
    "platform",
    "packaging",
    "answers",
    "errors",
    "did-you-mean",
    "output",
  ],
  "deploy-config": ["settings", "packaging"],
  webhooks: ["errors"],
  network: ["file-errors"],
  "temporary-folder": [],
  "late-import": [],
  storage: ["settings", "cache", "temporary-folder", "late-import", "errors"],
  media: [
    "network",
    "storage",
    "routes",
    "settings",
    "processes",
    "temporary-folder",
    "late-import",
    "file-errors",
    "errors",
    "did-you-mean",
  ],
  downloads: ["cache", "media", "processes", "output", "errors", "file-errors"],
  testing: ["servable", "server", "realtime", "dispatch", "context", "errors"],
  tools: [],
  "controller/failure": ["errors"],
  "controller/shortages": [],
  "controller/settings": ["controller/state", "controller/failure", "settings", "did-you-mean"],
  "controller/store": ["controller/failure", "cache", "environments", "processes", "settings", "log-entry"],
  "controller/state": ["controller/store", "controller/failure", "did-you-mean"],
  "controller/logs": [],
  "controller/shell": ["processes"],
  "controller/engines": [
    "controller/logs",
    "controller/shell",
    "controller/state",
    "environments",
    "packaging",
    "build-context",
    "cache",
    "processes",
    "errors",
    "log-entry",
  ],
  "controller/scaling": [],
  "controller/scheduler": [
    "controller/engines",
    "controller/shell",
    "controller/scaling",
    "controller/state",
    "controller/store",
    "processes",
    "log-entry",
  ],
  "controller/queue": ["controller/scheduler", "controller/state", "controller/store"],
  "controller/gateway": [
    "controller/queue",
    "controller/scheduler",
    "controller/state",
    "controller/store",
    "controller/shortages",
  ],
  "controller/objects": [
    "file-headers",
    "controller/gateway",
    "controller/settings",
    "controller/state",
    "controller/store",
    "settings",
    "storage",
  ],
  "controller/api": [
    "controller/webhooks",
    "controller/shortages",
    "controller/queue",
    "controller/objects",
    "file-headers",
    "controller/metrics",
    "controller/gateway",
    "controller/scheduler",
    "controller/scaling",
    "controller/engines",
    "controller/shell",
    "controller/state",
    "controller/store",
    "build-context",
    "platform",
    "errors",
    "did-you-mean",
    "log-entry",
    "controller/logs",
  ],
  "controller/webhooks": ["controller/state", "controller/store", "network", "webhooks"],
  "controller/port": ["errors"],
  "controller/metrics": ["controller/scheduler", "controller/state"],
  "controller/tls": ["controller/failure", "processes"],
  "controller/backup": ["controller/state", "controller/store", "controller/failure", "cache", "processes"],
  "controller/upkeep": [
    "controller/engines",
    "controller/logs",
    "controller/objects",
    "controller/settings",
    "controller/state",
    "controller/store",
  ],
  "controller/platform": [
    "controller/shortages",
    "controller/api",
    "controller/objects",
    "controller/gateway",
    "controller/scheduler",
    "controller/engines",
    "controller/logs",
    "controller/state",
    "controller/store",
    "controller/settings",
    "controller/upkeep",
    "controller/webhooks",
    "controller/metrics",
    "controller/tls",
    "controller/port",
    "controller/failure",
    "environments",
    "cache",
    "log-entry",
  ],
  cli: [
    "controller/platform",
    "controller/backup",
    "controller/tls",
    "controller/api",
    "controller/scaling",
    "controller/settings",
    "controller/failure",
    "cache",
    "processes",
    "environments",
    "downloads",
    "settings",
    "build-context",
    "deploy-config",
    "packaging",
    "platform",
    "hosts",
    "functions",
    "servable",
    "routes",
    "server",
    "typescript",
    "errors",
    "did-you-mean",
    "output",
  ],
  index: [
    "log-entry",
    "settings",
    "deploy-config",
    "functions",
    "hosts",
    "packaging",
    "platform",
    "servable",
    "server",
    "openapi",
    "routes",
    "context",
    "errors",
    "file-errors",
    "webhooks",
    "media",
    "storage",
    "downloads",
    "answer-header",
  ],
};

/** Packages that only one room may load. */
const OWNED: Readonly<Record<string, readonly string[]>> = {
  fastify: ["server"],
  "@fastify/swagger": ["server"],
  "prom-client": ["server"],
  ajv: ["server"],
  mime: ["server", "media"],
  "file-type": ["media"],
  "image-size": ["media"],
  yauzl: ["media"],
  aws4fetch: ["storage"],
  commander: ["cli"],
  chokidar: ["cli"],
  tsx: ["typescript"],
  esbuild: ["functions", "tools"],
  "@bufbuild/protobuf": ["platform", "controller/api"],
  "@connectrpc/connect": ["platform", "controller/api"],
  "@connectrpc/connect-node": ["platform", "controller/platform"],
  pg: ["controller/store"],
  undici: ["controller/gateway", "platform"],
  "smol-toml": ["platform", "controller/settings"],
  "eventsource-parser": ["platform"],
  ignore: ["build-context"],
  "ipaddr.js": ["network"],
  "@huggingface/hub": ["downloads"],
};

const root = fileURLToPath(new URL("../src", import.meta.url));
const IMPORT =
  /^(import type|import|export type|export)?[^"';]*?(?:from\s+|import\s*\(?\s*|require\(\s*)"([^"]+)"/gm;

interface Import {
  readonly file: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : entry.name.endsWith(".ts") ? [path] : [];
  });
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8").replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
  // What a template puts together is an import in somebody else's file.
  const matches = [...text.matchAll(IMPORT)].filter(([, , target]) => target?.includes("${") === false);
  return matches.map(([, kind, target]) => ({
    file: relative(root, file),
    target: target as string,
    typeOnly: kind?.endsWith("type") ?? false,
  }));
}

function roomOf(file: string): string {
  const [first = "", second = ""] = relative(root, file).split(sep);
  return (first === "controller" ? `${first}/${second}` : first).replace(/\.ts$/, "");
}

const files = sources(root);
const imports = files.flatMap(importsOf);

test("the import scanner sees static, type and dynamic imports", () => {
  assert.ok(imports.some(({ target }) => target === "fastify"));
  assert.ok(imports.some(({ target, typeOnly }) => target === "pino" && typeOnly));
  assert.ok(imports.some(({ target }) => target === "prom-client"));
});

test("rooms import downwards only", () => {
  const wrong = imports
    .filter(({ target }) => target.startsWith("."))
    .filter(({ file, target }) => {
      const from = roomOf(join(root, file));
      const to = roomOf(resolve(root, dirname(file), target));
      return from !== to && !MAY_IMPORT[from]?.includes(to);
    })
    .map(({ file, target }) => `${file} → ${target}`);
  assert.deepEqual(wrong, []);
});

test("no file imports itself by way of others, types included", () => {
  const targets = new Map<string, string[]>();
  for (const { file, target } of imports.filter((each) => each.target.startsWith("."))) {
    targets.set(file, [...(targets.get(file) ?? []), relative(root, resolve(root, dirname(file), target))]);
  }
  const finished = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
    if (path.includes(file) || finished.has(file)) return;
    for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
    finished.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  assert.deepEqual(circles, []);
});

test("every room is known to the rules", () => {
  const unknown = [...new Set(files.map(roomOf))].filter((room) => !(room in MAY_IMPORT));
  assert.deepEqual(unknown, []);
});

test("the rules name only rooms that exist", () => {
  const rooms = new Set(files.map(roomOf));
  const named = [...Object.entries(MAY_IMPORT).flat(2), ...Object.values(OWNED).flat()];
  assert.deepEqual(
    [...new Set(named)].filter((room) => !rooms.has(room)),
    [],
  );
});

test("CONTRIBUTING.md tells the rules as they are, of every room there is", () => {
  const text = readFileSync(join(root, "../CONTRIBUTING.md"), "utf8");
  const documented = [...text.matchAll(/^\| `([a-z-/]+?)(?:\.ts|\/)` \| .*? \| (.*?) \|$/gm)].map(
    ([, room, rule]) => [
      room,
      [...(rule as string).matchAll(/`([a-z-/]+)`/g)].map(([, name]) => name).sort(),
    ],
  );
  const rooms = [...new Set(files.map(roomOf))];
  assert.deepEqual(
    Object.fromEntries(documented),
    Object.fromEntries(rooms.map((room) => [room, MAY_IMPORT[room]?.toSorted()])),
  );
});

test("CONTRIBUTING.md shows the rooms as the sources import them", () => {
  execFileSync(process.execPath, [join(root, "../scripts/house-diagram.mjs"), "--check"]);
});

test("the ways through the house lead through files that exist", () => {
  const text = readFileSync(join(root, "../CONTRIBUTING.md"), "utf8");
  const [ways = ""] = /^## Four ways through the house$[^]*?^## /m.exec(text) ?? [];
  const named = [...ways.matchAll(/`([a-z-/]+\.ts)`/g)].map(([, name]) => name as string);
  assert.ok(named.length > 40, `${named.length} files`);
  assert.deepEqual(
    named.filter((name) => !existsSync(join(root, name))),
    [],
  );
});

test("a heavy package is loaded by the room that owns it alone", () => {
  const wrong = imports
    .filter(({ file, target, typeOnly }) => {
      const owners = OWNED[target.replace(/^((?:@[^/]+\/)?[^/]+).*$/, "$1")];
      return owners !== undefined && !typeOnly && !owners.includes(roomOf(join(root, file)));
    })
    .map(({ file, target }) => `${file} → ${target}`);
  assert.deepEqual(wrong, []);
});

test("typebox is imported for its types only", () => {
  const wrong = imports.filter(({ target, typeOnly }) => target.startsWith("typebox") && !typeOnly);
  assert.deepEqual(wrong, []);
});

test("relative imports carry .ts", () => {
  const wrong = imports.filter(({ target }) => target.startsWith(".") && !/\.(ts|json)$/.test(target));
  assert.deepEqual(wrong, []);
});

test("no barrels but src/index.ts and the package's other entries", () => {
  const barrels = files.filter((file) => file.endsWith(`${sep}index.ts`)).map((file) => relative(root, file));
  assert.deepEqual(
    barrels.sort(),
    ["index.ts", join("media", "index.ts"), join("testing", "index.ts")].filter((name) =>
      barrels.includes(name),
    ),
  );
});

test("no hand-written file passes 450 lines", () => {
  const handWritten = files.filter((file) => !file.includes(`${sep}generated${sep}`));
  const long = handWritten.filter((file) => readFileSync(file, "utf8").split("\n").length > 450);
  assert.deepEqual(long, []);
});
