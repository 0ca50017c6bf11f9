// A reporter of Node's test runner that counts, by file: {"/path/a.test.ts":{"passed":1,"failed":0}}. Suites are not tests.
import { resolve } from "node:path";

export default async function* count(source) {
  const files = {};
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    // A file that could not be run is reported as a test with its name.
    const counts = (files[resolve(data.file ?? data.name)] ??= { passed: 0, failed: 0 });
    if (data.details?.type === "suite" || data.skip !== undefined) continue;
    counts[type === "test:pass" ? "passed" : "failed"]++;
  }
  yield JSON.stringify(files);
}
