// Prints how long a fresh process takes to find an existing environment, in milliseconds:
// node environment-lookup.js MODULE, where MODULE is the compiled module that exports NpmEnvironments.

/** The used part of NpmEnvironments, which the package does not export. */
interface Environments {
  prepare(spec: { readonly kind: "npm"; readonly steps: readonly (readonly string[])[] }): Promise<unknown>;
}

const { NpmEnvironments } = (await import(process.argv[2] ?? "")) as {
  NpmEnvironments: new () => Environments;
};
const started = performance.now();
await new NpmEnvironments().prepare({ kind: "npm", steps: [] });
console.log(performance.now() - started);
