import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type SpawnInfo } from "../../../src/functions/host.ts";
import { npmInContainer } from "../../../src/hosts/local/container/container-npm.ts";
import {
  type ContainerRun,
  containerVariables,
  excludesOthers,
  ownerOf,
  publishedPorts,
  runArguments,
} from "../../../src/hosts/local/container/run-arguments.ts";
import type { ContainerEngine } from "../../../src/packaging/container-engine.ts";
import { qualifiedName } from "../../../src/packaging/pull-image.ts";

const RUN: ContainerRun = {
  name: "servable-1-a",
  label: "speak()",
  image: "0123abcd",
  mounts: [{ source: "/cache/bundle", target: "/servable/function" }],
  args: ["/servable/bridge.mjs"],
};

test("a container is run once, attached, with the node program of the image", () => {
  assert.deepEqual(runArguments(RUN, "docker", false), [
    "run",
    "--rm",
    "--interactive",
    "--name=servable-1-a",
    "--label=servable=speak()",
    "--log-driver=none",
    "--no-healthcheck",
    "--mount=type=bind,source=/cache/bundle,target=/servable/function,readonly",
    "--entrypoint=node",
    "0123abcd",
    "/servable/bridge.mjs",
  ]);
});

test("Podman does not pass this process's proxies to the container", () => {
  assert.ok(runArguments(RUN, "podman", false).includes("--http-proxy=false"));
});

test("the options of a run are on the command line, before the image", () => {
  const run: ContainerRun = {
    ...RUN,
    user: "1000:1000",
    directory: "/servable",
    hasHostNetwork: true,
    memoryBytes: 1e9,
    ports: [
      { inner: 8080, outer: 8081 },
      { inner: 9090, outer: 0 },
    ],
  };
  const args = runArguments(run, "docker", true);
  const options = new Set(args.slice(0, args.indexOf("0123abcd")));
  for (const option of [
    "--user=1000:1000",
    "--workdir=/servable",
    "--network=host",
    "--memory=1000000000",
    "--publish=127.0.0.1:8081:8080",
    "--publish=127.0.0.1::9090",
    "--security-opt=label=disable",
  ]) {
    assert.ok(options.has(option), option);
  }
});

test("a path with a comma or a quote is one field, and a writable mount is not marked readonly", () => {
  const mounts = [{ source: '/a,b/"c"', target: "/x", isWritable: true }];
  const args = runArguments({ ...RUN, mounts }, "docker", false);
  assert.ok(args.includes('--mount=type=bind,"source=/a,b/""c""",target=/x'));
});

test("a worker's environment excludes variables that hold secrets or paths of this machine, unless they are requested", () => {
  const own = {
    PATH: "/bin",
    HOME: "/home/u",
    LANG: "C",
    TZ: "UTC",
    SSL_CERT_FILE: "/c",
    TOKEN: "t",
    OTHER: "o",
  };
  assert.deepEqual(containerVariables(["TOKEN"], own), { LANG: "C", TZ: "UTC", TOKEN: "t" });
  assert.deepEqual(containerVariables({ PATH: "/own" }, own), { LANG: "C", TZ: "UTC", PATH: "/own" });
  assert.deepEqual(containerVariables(["HOME"], own), { LANG: "C", TZ: "UTC", HOME: "/home/u" });
});

test("npm in a container gets its settings, the proxies, and mounts of the files that they name", () => {
  const { variables, mounts } = npmInContainer({
    PATH: "/bin",
    HOME: "/nowhere",
    npm_config_registry: "http://127.0.0.1:4873/",
    npm_config_cache: "/home/u/.npm",
    HTTPS_PROXY: "http://proxy",
    TOKEN_OF_NPMRC: "t",
    NODE_EXTRA_CA_CERTS: import.meta.filename,
    SSL_CERT_FILE: "/is/not/there",
  });
  assert.deepEqual(variables, {
    HOME: "/tmp",
    npm_config_cache: "/tmp/servable-npm",
    npm_config_registry: "http://127.0.0.1:4873/",
    HTTPS_PROXY: "http://proxy",
    TOKEN_OF_NPMRC: "t",
    NODE_EXTRA_CA_CERTS: "/run/servable/NODE_EXTRA_CA_CERTS",
  });
  assert.deepEqual(mounts, [{ source: import.meta.filename, target: "/run/servable/NODE_EXTRA_CA_CERTS" }]);
});

test("files in a container belong to the caller, who is root in a rootless engine", () => {
  const engine: ContainerEngine = { command: "x", flavor: "podman", isRootless: true, isConfined: false };
  assert.equal(ownerOf(engine), "0:0");
  const uid = process.getuid?.() ?? 0;
  assert.equal(ownerOf({ ...engine, isRootless: false }), `${uid}:${process.getgid?.() ?? 0}`);
});

test("an image name without a registry refers to Docker Hub", () => {
  const names = [
    "node:22",
    "library/node",
    "ghcr.io/a/b:1",
    "localhost/x",
    "127.0.0.1:5000/x",
    "me/app@sha256:0",
  ];
  assert.deepEqual(names.map(qualifiedName), [
    "docker.io/library/node:22",
    "docker.io/library/node",
    "ghcr.io/a/b:1",
    "localhost/x",
    "127.0.0.1:5000/x",
    "docker.io/me/app@sha256:0",
  ]);
});

class ParsingHost extends Host {
  readonly supportedKeys: ReadonlySet<string> = new Set();
  run(): Promise<unknown> {
    return Promise.reject(new Error("runs nothing"));
  }
  spawn(): SpawnInfo {
    throw new Error("runs nothing");
  }
}

function portsOf(config: Readonly<Record<string, unknown>>): ReturnType<typeof publishedPorts> {
  return publishedPorts(new ParsingHost().parseOptions({ image: "node:22", ...config }));
}

test("a served function's ports are published; port 0 stays a random port", () => {
  assert.deepEqual(portsOf({ serve: true }), [
    { inner: 8080, outer: 8080 },
    { inner: 9090, outer: 9090 },
  ]);
  assert.deepEqual(portsOf({ serve: true, exposedPort: 0, metricsPort: 0 }), [
    { inner: 8080, outer: 0 },
    { inner: 9090, outer: 0 },
  ]);
  assert.deepEqual(portsOf({ serve: true, exposedPort: 0, metricsPort: 8080 }), [
    { inner: 8081, outer: 0 },
    { inner: 8080, outer: 8080 },
  ]);
});

test("only the ports that a function without serve names are published", () => {
  assert.deepEqual(portsOf({}), []);
  assert.deepEqual(portsOf({ exposedPort: 7000 }), [{ inner: 7000, outer: 7000 }]);
  assert.deepEqual(portsOf({ exposedPort: 7000, metricsPort: 7001 }), [
    { inner: 7000, outer: 7000 },
    { inner: 7001, outer: 7001 },
  ]);
});

test("two containers cannot use the same fixed port of this machine", () => {
  assert.equal(excludesOthers([{ inner: 8080, outer: 0 }]), false);
  assert.equal(excludesOthers([{ inner: 8080, outer: 8080 }]), true);
});
