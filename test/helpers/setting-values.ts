import { bearerTokens } from "../../src/server/auth/bearer-tokens.ts";
import { jwt } from "../../src/server/auth/jwt.ts";
import { ContainerImage } from "../../src/packaging/container-image.ts";

const SECONDS = [0.5, 1, 3600, 2_147_483];
const NO_SECONDS = [0, -1, NaN, Infinity, "5", null, 2_147_484];
const NO_COUNT = [-1, 1.5, NaN, Infinity, "1", null, true];
const NO_NUMBER = [0, ...NO_COUNT];
const COUNTS = [1, 500, 1_000_000];
const MILLISECONDS = [1, 333, 500, 2_147_483_000];
const NO_MILLISECONDS = [0, 0.5, 2_147_483_001, ...NO_COUNT];
const FLAGS = [
  [true, false],
  [1, "yes", null],
] as const;
const NO_TEXT = ["", " ", 5, null, ["a"], {}];
const TEXTS = [[], ["a"], ["a", "b"]];
const NO_TEXTS = ["a", [""], [5], null, {}];

/** Values that fit and values that don't, of each setting of a class and each option of a server. */
export const SETTING_VALUES: Readonly<
  Record<string, readonly [right: readonly unknown[], wrong: readonly unknown[]]>
> = {
  version: [["1.2.0"], ["", 1, null]],
  appName: [
    ["a", "text-to-image", "GPT4", "a_b", "4"],
    ["", "-a", "a-", "a--b", "a b", "a/b", "ä", 5, null],
  ],
  auth: [
    [
      bearerTokens(["k"]),
      jwt({ issuer: "i", audience: "a", jwks: "https://keys.example/" }),
      {
        authenticate: () => 1,
        challenge: "Basic",
        securitySchemes: { basic: { type: "http", scheme: "basic" } },
      },
    ],
    [
      "secret",
      null,
      () => true,
      {},
      { authenticate: true },
      { authenticate() {}, challenge: "a\r\nb: c" },
      { authenticate() {}, securitySchemes: { a: {} } },
      { authenticate() {}, prepare: true },
    ],
  ],
  appAuth: [
    ["private", "public", "shared"],
    ["Public", "secret", "", null],
  ],
  machineType: [
    ["GPU-A100", ["A", "B"]],
    ["", [""], 5, null],
  ],
  numGpus: [
    [1, 8],
    [0, ...NO_COUNT],
  ],
  regions: [TEXTS, NO_TEXTS],
  keepAlive: [[0, 300], NO_COUNT],
  minConcurrency: [[0, 5], NO_COUNT],
  maxConcurrency: [
    [1, 5],
    [0, ...NO_COUNT],
  ],
  concurrencyBuffer: [[0, 5], NO_COUNT],
  concurrencyBufferPerc: [[0, 50, 200], NO_COUNT],
  scalingDelay: [[0, 5], NO_COUNT],
  requestStartTimeout: [
    [0, 5, 86_400],
    [...NO_COUNT, 2 ** 31],
  ],
  maxMultiplexing: [
    [1, 5],
    [0, ...NO_COUNT],
  ],
  overloadStatus: [
    [429, 503],
    [500, "429", null],
  ],
  workers: [
    [1, 4, { count: 2 }, { devices: ["0", "1"] }, { count: 4, devices: ["0"], deviceVariable: "DEVICE" }],
    [0, 1.5, "2", null, {}, { count: 0 }, { devices: [1] }, { count: 1, deviceVariable: "a b" }, { size: 2 }],
  ],
  requestTimeout: [SECONDS, NO_SECONDS],
  startupTimeout: [SECONDS, NO_SECONDS],
  terminationGracePeriodSeconds: [
    [0, 30, 2_147_483],
    [2_147_484, ...NO_COUNT],
  ],
  stuckGracePeriodSeconds: [SECONDS, NO_SECONDS],
  metricsPort: [
    [0, 9090, 65_535],
    [65_536, ...NO_COUNT],
  ],
  exposedPort: [
    [1, 8080, 65_535],
    [0, 65_536, ...NO_COUNT],
  ],
  secrets: [TEXTS, NO_TEXTS],
  dataMounts: [TEXTS, NO_TEXTS],
  retryConfig: [
    [{ timeout: { retries: 0 } }, { server_error: { retries: 2 }, connection_error: { retries: 1 } }],
    [
      {},
      [],
      null,
      { timeout: 2 },
      { timeout: { retries: 1.5 } },
      { timeout: { retries: -1 } },
      { other: { retries: 1 } },
    ],
  ],
  skipRetryConditions: [
    [[], ["timeout", "server_error"]],
    ["timeout", ["other"], null],
  ],
  image: [
    [ContainerImage.fromDockerfileString("FROM node"), ContainerImage.fromImage("node:22")],
    ["node", [], null, { dockerfile: "FROM node" }],
  ],
  appFiles: [TEXTS, NO_TEXTS],
  appFilesIgnore: [TEXTS, NO_TEXTS],
  privateLogs: FLAGS,
  host: [["0.0.0.0", "::1", "localhost"], NO_TEXT],
  port: [
    [0, 8080, 65_535],
    [65_536, ...NO_COUNT],
  ],
  unixSocket: [["/run/app.sock", "app.sock"], NO_TEXT],
  backlog: [COUNTS, NO_NUMBER],
  https: [
    [
      { key: "k.pem", certificate: "c.pem" },
      { key: "k.pem", certificate: "c.pem", passphrase: "p" },
    ],
    [
      ...[true, null, "c.pem", [], {}, { key: "k.pem" }, { certificate: "c.pem" }],
      { key: "", certificate: "c.pem" },
      { key: "-----BEGIN PRIVATE KEY-----", certificate: "c.pem" },
      { key: "k.pem", cert: "c.pem", certificate: "c.pem" },
      { key: "k.pem", certificate: "c.pem", passphrase: 5 },
    ],
  ],
  metricsHost: [["0.0.0.0", "::1"], NO_TEXT],
  allowedHosts: [TEXTS, NO_TEXTS],
  cors: [
    [
      ...[{ origins: "*" }, { origins: [] }, { origins: ["null"] }],
      { origins: ["https://a.example", "http://localhost:3000", "capacitor://localhost"], credentials: true },
      { origins: ["https://*.a.example"], credentials: false, exposedHeaders: ["x-a"], maxAgeSeconds: 0 },
    ],
    [
      ...["*", [], null, true, {}, { credentials: true }, { origins: "https://a.example" }],
      ...[
        { origins: ["a.example"] },
        { origins: ["https://a.example/"] },
        { origins: ["*"] },
        { origins: [5] },
      ],
      ...[
        { origins: ["https://a.*.example"] },
        { origins: ["https://*"] },
        { origins: "*", credentials: true },
      ],
      ...[
        { origins: [], credentials: "yes" },
        { origins: [], exposedHeaders: "x-a" },
      ],
      ...[{ origins: [], exposedHeaders: ["a b"] }, { origins: [], maxAgeSeconds: -1 }, { origin: [] }],
    ],
  ],
  trustProxy: [
    [true, "loopback", "10.0.0.1", "10.0.0.0/8", "::1", "fe80::/10", ["loopback", "10.0.0.0/8"], []],
    [
      ...[
        false,
        1,
        null,
        "",
        "all",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/8/8",
        "a.example",
        "10.0.0.1,10.0.0.2",
      ],
      [5],
      {},
    ],
  ],
  rootPath: [
    ["", "/", "/user/app", "user/app"],
    [5, null, ["/a"], true],
  ],
  docs: [
    [true, false, "document"],
    ["yes", 1, null, "Document"],
  ],
  accessLog: FLAGS,
  bodyLimitBytes: [COUNTS, NO_NUMBER],
  headerLimitBytes: [
    [1024, 65_536, 1_000_000],
    [1023, 16 * 1024 ** 2 + 1, ...NO_NUMBER],
  ],
  maxDepth: [
    [1, 512],
    [513, ...NO_NUMBER],
  ],
  maxValues: [COUNTS, NO_NUMBER],
  maxBytesInFlight: [COUNTS, NO_NUMBER],
  maxFrameBytes: [COUNTS, NO_NUMBER],
  maxUploadBytes: [COUNTS, NO_NUMBER],
  uploadFolder: [["/var/tmp", "uploads"], NO_TEXT],
  storage: [
    [
      "data",
      "local",
      { kind: "local", folder: "/var/lib/files", expirySeconds: 60, publicUrl: "https://files.example.com" },
      {
        kind: "s3",
        bucket: "pictures",
        region: "eu-west-1",
        prefix: "out/",
        endpoint: "http://localhost:9000",
      },
      { kind: "fal", expirySeconds: 60 },
    ],
    ["disk", 1, null, {}, { kind: "disk" }, { kind: "local", expirySeconds: 0 }, { kind: "s3", bukket: "a" }],
  ],
  fileHosts: [
    [["files.internal:8080"], []],
    ["files.internal", [1], null],
  ],
  maxConnections: [COUNTS, NO_NUMBER],
  maxSessions: [COUNTS, NO_NUMBER],
  headersTimeoutMs: [MILLISECONDS, NO_MILLISECONDS],
  arrivalTimeoutMs: [MILLISECONDS, NO_MILLISECONDS],
  keepAliveTimeoutMs: [MILLISECONDS, NO_MILLISECONDS],
  sendTimeoutMs: [MILLISECONDS, NO_MILLISECONDS],
  heartbeatMs: [MILLISECONDS, NO_MILLISECONDS],
  websocketPingMs: [MILLISECONDS, NO_MILLISECONDS],
  limitMaxRequests: [COUNTS, NO_NUMBER],
};
