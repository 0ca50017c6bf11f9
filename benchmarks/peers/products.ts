import { join } from "node:path";
import { WORK } from "./work-folder.ts";

/** The ports of a server: its own, and two for its metrics and other protocols. */
export type Ports = readonly [http: number, second: number, third: number];

/** A program to start, without the variables that all servers get. */
interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A product in one role. */
export interface Product {
  readonly name: string;
  /** Its installation: `npm`, `servable`, or the name of a virtual environment. */
  readonly environment: string;
  command(ports: Ports): Command;
  /** The path to send to; by default `/`. */
  readonly path?: string;
  /** The path that tells that the server listens; by default `path`. Any answer but a server error is good. */
  readonly probe?: string;
  /** The body to send; by default that of the section. */
  readonly body?: string;
}

/** The body of the overhead section. */
export const PROMPT = JSON.stringify({
  ...{ prompt: "a lighthouse in a storm, oil on canvas", seed: 1234, steps: 30 },
  ...{ guidance: 7.5, format: "png", safe: true },
});

/** The answer of every product to {@link PROMPT}. */
export const PICTURE = {
  ...{ url: "https://pictures.example/1234.png", prompt: "a lighthouse in a storm, oil on canvas" },
  ...{ seed: 1234, steps: 30, width: 1024, height: 768 },
};

/** The body of the batching section. The load generator replaces the letters by the request's number. */
export const ITEM = '{"seed":SSSSSSSS,"prompt":"a lighthouse in a storm, oil on canvas"}';
const BENTO_ITEM = `{"inputs":[${ITEM}]}`;
const V2_ITEM = '{"inputs":[{"name":"seed","shape":[1,1],"datatype":"INT64","data":[SSSSSSSS]}]}';

type Options = Omit<Product, "name" | "environment" | "command"> & {
  readonly env?: Readonly<Record<string, string>>;
};

/** Servable, as it would be published. */
function servable(name: string, program: string, role: string, { env = {}, ...rest }: Options = {}): Product {
  return nodeProduct(name, "servable", [`${program}.mjs`, role], env, rest);
}

function npm(name: string, program: string, role: string, options: Options = {}): Product {
  const { env = {}, ...rest } = options;
  return nodeProduct(name, "npm", [`${program}.mjs`, role], env, rest);
}

function nodeProduct(
  name: string,
  environment: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  rest: Options,
): Product {
  const cwd = join(WORK, environment);
  const command = (): Command => ({ program: process.execPath, args, cwd, env });
  return { name, environment, command, ...rest };
}

/** A Python product. The arguments and variables may contain `{0}`, `{1}` and `{2}` for the ports. */
function python(name: string, environment: string, words: readonly string[], options: Options = {}): Product {
  const { env = {}, ...rest } = options;
  const bin = join(WORK, "venvs", environment, "bin");
  const cwd = join(WORK, "python");
  return {
    name,
    environment,
    ...rest,
    command: (ports) => {
      const fill = (text: string): string => text.replaceAll(/\{(\d)\}/g, (_, index) => String(ports[index]));
      const [program = "python", ...args] = words.map(fill);
      const filled = Object.fromEntries(Object.entries(env).map(([key, value]) => [key, fill(value)]));
      const path = `${bin}:${process.env["PATH"] ?? ""}`;
      return {
        program: join(bin, program),
        args,
        cwd: environment === "mlserver" ? join(cwd, "mlserver") : cwd,
        env: { PYTHONPATH: cwd, PATH: path, ...NO_STATISTICS, ...filled },
      };
    },
  };
}

/** Products that send usage statistics by default must not do it while they are measured. */
const NO_STATISTICS = { DO_NOT_TRACK: "1", BENTOML_DO_NOT_TRACK: "True", RAY_USAGE_STATS_ENABLED: "0" };

const HOST = ["--host", "127.0.0.1", "--port", "{0}"];
const ADDRESS = ["--address", "127.0.0.1", "--port", "{0}"];
const BENTO = ["bentoml", "serve", "bento_service:Service", ...HOST];

function fal(options: Options = {}): Product {
  return python("fal", "fal", ["python", "fal_app.py", "{0}", "{1}"], options);
}

function fastapi(options: Options = {}): Product {
  return python("fastapi", "fastapi", ["uvicorn", "fastapi_app:app", ...HOST], options);
}

function litserve(name: string, role: string, env: Readonly<Record<string, string>> = {}): Product {
  return python(name, "litserve", ["python", "litserve_app.py", role], { env });
}

function mosec(name: string, role: string, flags: readonly string[] = [], options: Options = {}): Product {
  const words = ["python", "mosec_app.py", role, ...ADDRESS, ...flags];
  return python(name, "mosec", words, { path: "/inference", ...options });
}

function ray(name: string, role: string, env: Readonly<Record<string, string>> = {}): Product {
  return python(name, "ray", ["python", "ray_app.py", role, "{0}"], { env });
}

/** JSON in and out, six validated fields. */
export const OVERHEAD: readonly Product[] = [
  npm("fastify", "fastify", "overhead"),
  servable("servable", "servable", "overhead"),
  npm("node:http", "node-http", "overhead"),
  npm("hono", "hono", "overhead"),
  npm("nest", "nest", "overhead"),
  npm("express", "express", "overhead"),
  npm("elysia", "elysia", "overhead"),
  fal(),
  fastapi(),
  litserve("litserve", "overhead"),
  python("bentoml", "bentoml", BENTO),
  mosec("mosec", "overhead"),
  ray("ray", "overhead"),
];

/** Batches of up to 64, with the deadline of 100 ms where the product's plain setup has one. */
export const BATCHING: readonly Product[] = [
  servable("servable", "servable-batch", "batch", { env: { DEADLINE_MS: "100" } }),
  python("bentoml", "bentoml", BENTO, { env: { ROLE: "batch" }, body: BENTO_ITEM }),
  litserve("litserve", "batch"),
  ray("ray", "batch"),
  mosec("mosec", "batch"),
  python("mlserver", "mlserver", ["mlserver", "start", "."], {
    path: "/v2/models/batched/infer",
    body: V2_ITEM,
    env: {
      ...{ MLSERVER_HOST: "127.0.0.1", MLSERVER_HTTP_PORT: "{0}" },
      ...{ MLSERVER_GRPC_PORT: "{1}", MLSERVER_METRICS_PORT: "{2}" },
    },
  }),
];

/** Servable for closed loops, which must not reject requests. */
export const BATCHING_WITHOUT_DEADLINE: readonly Product[] = [
  servable("servable, no deadline", "servable-batch", "batch"),
];

/** The same with the deadline or limit that the product offers. */
export const BATCHING_WITH_LIMIT: readonly Product[] = [
  litserve("litserve, timeout", "batch", { DEADLINE_MS: "100" }),
  mosec("mosec, timeout", "batch", ["--timeout", "100"]),
  ray("ray, timeout", "batch", { DEADLINE_MS: "100" }),
  ray("ray, max queued", "batch", { MAX_QUEUED: "64" }),
];

/** An echo of MessagePack on websockets. */
export const REALTIME: readonly Product[] = [
  npm("ws", "ws", "realtime"),
  servable("servable", "servable", "realtime", { probe: "/health" }),
  fal({ path: "/ws", probe: "/health" }),
];

/** Server-sent events. */
export const STREAMS: readonly Product[] = [
  npm("fastify", "fastify", "streams"),
  servable("servable", "servable", "streams"),
  fastapi({ path: "/sse" }),
  fal({ path: "/sse" }),
];

/** A handler that computes. Each function makes the product with a number of worker processes. */
export const WORKERS: readonly {
  readonly name: string;
  readonly counts: readonly number[];
  /** The number of rounds that take about 10 ms. */
  readonly rounds: number;
  product(workers: number): Product;
}[] = [
  {
    ...{ name: "servable", counts: [0, 1, 2, 4], rounds: 400_000 },
    product: (workers) =>
      servable("servable", "servable-workers", "workers", { env: { WORKERS: `${workers}` } }),
  },
  {
    ...{ name: "fastify", counts: [0], rounds: 400_000 },
    product: () => npm("fastify", "fastify", "workers"),
  },
  {
    ...{ name: "mosec", counts: [1, 2, 4], rounds: 85_000 },
    product: (workers) => mosec("mosec", "cpu", [], { env: { WORKERS: `${workers}` } }),
  },
  {
    ...{ name: "litserve", counts: [1, 2, 4], rounds: 85_000 },
    product: (workers) => litserve("litserve", "cpu", { WORKERS: `${workers}` }),
  },
];

/** The npm packages of each Node product, for its size. */
export const NPM_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  fastify: ["fastify", "typebox"],
  hono: ["hono", "@hono/node-server", "@hono/typebox-validator", "@sinclair/typebox"],
  nest: [
    ...["@nestjs/core", "@nestjs/common", "@nestjs/platform-fastify"],
    ...["class-validator", "class-transformer", "reflect-metadata", "rxjs"],
  ],
  express: ["express", "zod"],
  elysia: ["elysia", "@elysiajs/node"],
  ws: ["ws", "msgpackr"],
};

/** The virtual environments of the Python products. */
export const PYTHON_ENVIRONMENTS = [
  ...["fal", "fastapi", "litserve", "bentoml", "mosec", "mlserver", "ray"],
] as const;
