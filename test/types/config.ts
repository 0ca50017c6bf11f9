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

// What was written is known of the result.
export const port: number = right.apps.proxy.exposedPort;

// @ts-expect-error there are no apps
export const empty: ServableConfig = {};
// @ts-expect-error no such key beside them
export const further: ServableConfig = { apps: {}, app: {} };

export const wrong: readonly AppConfig[] = [
  // @ts-expect-error neither a file nor an image
  { keepAlive: 1 },
  // @ts-expect-error both
  { file: "app.ts", image: { image: "a" } },
  // @ts-expect-error an image is an object
  { image: "ghcr.io/me/proxy:1" },
  // @ts-expect-error misspelt
  { file: "app.ts", keepalive: 1 },
  // @ts-expect-error an option of a Dockerfile, not of an image that is there
  { image: { image: "a", buildArgs: {} } },
  // @ts-expect-error misspelt, in the image
  { image: { dockerfile: "Dockerfile", buildArg: {} } },
  // @ts-expect-error seconds are a number
  { file: "app.ts", keepAlive: "60" },
  // @ts-expect-error not one of the three
  { file: "app.ts", auth: "secret" },
  // @ts-expect-error not one of the two
  { file: "app.ts", strategy: "blue" },
  // @ts-expect-error a check needs a path
  { file: "app.ts", healthCheck: {} },
  // @ts-expect-error a check has no such method
  { file: "app.ts", healthCheck: { path: "/", method: "PUT" } },
];
