/**
 * Finds unused files, exports and packages. `npm run check` runs it twice: over everything, and with `--production`, which leaves
 * out the tests, so that an export that only tests use is found.
 *
 * @param {{ production?: boolean }} options
 * @returns {import("knip").KnipConfig}
 */
export default function configuration({ production = false }) {
  return {
    // Programs that are started by path. The entries of package.json are found without being listed. "!": in production, too.
    entry: [
      "src/{functions/runner,hosts/local/container/bridge,hosts/serverless/server,packaging/trim}/main.ts!",
      "src/hosts/local/local-runs.ts!",
      "src/workers/entry.ts!",
      "src/typescript/module-format.ts!", // hooks of Node for loading modules
      "src/functions/bundle/programs.ts!", // by scripts/build-programs.mjs, in its compiled form
      "scripts/*.{mjs,ts}",
      "benchmarks/*.ts",
      "benchmarks/servers/*.ts",
      "benchmarks/peers/servers/{fastify,node-http,servable*}.ts",
      "benchmarks/{batching/{servers,rivals},functions,soak}/*.ts",
      "benchmarks/batching/*-thread.ts",
      "benchmarks/batching/generator.ts",
      "examples/language/*.ts",
      "examples/openai/*.ts",
      "test/**/*.test.ts",
      "test/fixtures/**/*.ts", // loaded by path, by workers and in processes of their own
      "test/helpers/property-seed.mjs",
      "test/types/*.ts",
    ],
    project: [
      "src/**/*.ts!",
      "benchmarks/**/*.ts",
      "examples/language/*.ts",
      "examples/openai/*.ts",
      "scripts/**/*.{mjs,ts}",
      "test/**/*.{ts,mjs}",
    ],
    ignore: [
      "benchmarks/peers/servers/nest.ts", // its packages are in the lockfile of that benchmark
      "src/platform/generated/**", // from the messages of the protocol, with all of them
    ],
    ignoreIssues: {
      "package.json": ["optionalPeerDependencies"], // @opentelemetry/api is loaded only where the app has it
    },
    ignoreBinaries: [
      // From Debian's packages, or of the system. The tests that need them install or look for them.
      "buildah",
      "docker-registry",
      "mkfifo",
      "taskset",
      "mount",
      "openssl",
      "systemd-analyze",
      "podman",
      "script",
      "ss",
      "umount",
    ],
    // A unit test may look into a file: what it imports has to be used there, no more.
    ignoreExportsUsedInFile: production,
  };
}
