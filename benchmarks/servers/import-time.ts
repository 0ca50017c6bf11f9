// Prints how long the import of a package takes in a fresh process, in milliseconds: node import-time.js PACKAGE
const started = performance.now();
await import(process.argv[2] ?? "");
console.log(performance.now() - started);
