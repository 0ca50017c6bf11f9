/** Configs of `servable deploy` that must or must not compile. The type check is the test. */
import { ContainerImage, type AppConfig, type ServableConfig } from "../../src/index.ts";

export const right = {
  apps: {
    voice: {
      file: "src/voice.ts::Voice",
      name: "speaker",
      machineType: ["GPU-A100", "GPU-H100"],
      auth: "shared",
      strategy: "recreate",
      resetScale: true,
      retryConfig: { timeout: { retries: 2 } },
      skipRetryConditions: ["server_error"],
    },
    web: {
      image: { dockerfile: "Dockerfile", buildArgs: { MODE: "production" }, ignore: ["*.test.ts"] },
      exposedPort: 8080,
      healthCheck: { path: "/health", method: "POST", timeoutSeconds: 3, callRegularly: true },
    },
    proxy: { image: { image: "ghcr.io/me/proxy:1", cmd: ["serve"] }, exposedPort: 3000 },
    own: { image: ContainerImage.fromImage("ghcr.io/me/own:1") },
  },
} satisfies ServableConfig;

// The result keeps the exact type of the argument.
export const port: number = right.apps.proxy.exposedPort;

// @ts-expect-error `apps` is missing
export const empty: ServableConfig = {};
// @ts-expect-error an unknown key beside `apps`
export const further: ServableConfig = { apps: {}, app: {} };

export const wrong: readonly AppConfig[] = [
  // @ts-expect-error neither a file nor an image
  { keepAlive: 1 },
  // @ts-expect-error both a file and an image
  { file: "app.ts", image: { image: "a" } },
  // @ts-expect-error an image is an object
  { image: "ghcr.io/me/proxy:1" },
  // @ts-expect-error a misspelt option
  { file: "app.ts", keepalive: 1 },
  // @ts-expect-error an option for a Dockerfile, not for an existing image
  { image: { image: "a", buildArgs: {} } },
  // @ts-expect-error a misspelt option of the image
  { image: { dockerfile: "Dockerfile", buildArg: {} } },
  // @ts-expect-error seconds are a number
  { file: "app.ts", keepAlive: "60" },
  // @ts-expect-error not one of the three allowed values
  { file: "app.ts", auth: "secret" },
  // @ts-expect-error not one of the two allowed values
  { file: "app.ts", strategy: "blue" },
  // @ts-expect-error a health check needs a path
  { file: "app.ts", healthCheck: {} },
  // @ts-expect-error an unknown method of a health check
  { file: "app.ts", healthCheck: { path: "/", method: "PUT" } },
];
