/** Options of isolated functions that must or must not compile. The type check is the test. */
import { Type } from "typebox";
import { cached } from "../../src/functions/cached.ts";
import type { EnvironmentOptions, GatewayOptions, HostOptions } from "../../src/functions/options.ts";

export const environments: readonly Partial<EnvironmentOptions>[] = [
  { kind: "npm", requirements: ["a@1", "b"], nodeVersion: "22", lockfile: "package-lock.json", force: true },
  { requirements: [["a@1"], ["b"]] },
  { kind: "container", image: "node:22" },
  // @ts-expect-error Python's environments are not supported
  { kind: "virtualenv" },
  // @ts-expect-error conda environments are not supported
  { kind: "conda" },
  // @ts-expect-error packages and lists of packages are not mixed
  { requirements: ["a", ["b"]] },
  // @ts-expect-error a list, not a single package
  { requirements: "a" },
  // @ts-expect-error 22.10 as a number would be 22.1
  { nodeVersion: 22.1 },
];

export const hosts: readonly HostOptions[] = [
  { keepAlive: 0.5, maxConcurrency: 2, requestTimeout: 1, startupTimeout: 1, memoryLimitMb: 164 },
  { setupFunction: () => 1, env: ["HF_TOKEN"] },
  { setupFunction: async () => new Map(), env: { MODE: "fast" } },
  { machineType: ["GPU-A100"], numGpus: 1, regions: ["us-east"], metadata: { team: 1 }, privateLogs: true },
  {
    minConcurrency: 1,
    concurrencyBuffer: 1,
    concurrencyBufferPerc: 1,
    scalingDelay: 1,
    maxMultiplexing: 1,
    requestStartTimeout: 1,
  },
  { secrets: ["HF_TOKEN"], dataMounts: ["/data"] },
  // @ts-expect-error the setup takes no arguments
  { setupFunction: (name: string) => name },
  // @ts-expect-error variables are strings
  { env: { PORT: 80 } },
  // @ts-expect-error seconds are a number
  { keepAlive: "10s" },
  // @ts-expect-error the snake-case name of fal's Python SDK is not an option
  { machine_type: "GPU-A100" },
];

export const gateways: readonly GatewayOptions[] = [
  { serve: true, exposedPort: 8080, metricsPort: 9090, stream: true },
  { serve: true, input: Type.Object({ a: Type.String() }), output: Type.String() },
  // @ts-expect-error the name of a type is not a schema
  { serve: true, input: "string" },
  // @ts-expect-error ports are numbers
  { exposedPort: "8080" },
];

export function unchangeable(environment: EnvironmentOptions): void {
  // @ts-expect-error requirements are read-only: addRequirements() changes them
  environment.requirements = ["a"];
}

async function load<T>(name: string, fallback: T, size?: number): Promise<T> {
  return name === "" && size === 0 ? Promise.reject(new Error("none")) : fallback;
}

/** A cached function keeps the type of the function, including its type parameters. */
export const cachedLoad: typeof load = cached(load);
export const loaded: Promise<Date> = cached(load)("a", new Date(), 5);
export const length: number = cached((text: string) => text.length)("a");
// @ts-expect-error its arguments are checked
cached((text: string) => text.length)(5);
// @ts-expect-error not a function
cached("load");
