// Preloaded by scripts/test.mjs in the process of each test file: adds "MILLISECONDS PATH" to the file that
// SERVABLE_TEST_TIMES names when the process ends.
import { appendFileSync } from "node:fs";
import { relative } from "node:path";
import { isMainThread } from "node:worker_threads";

const file = process.argv[1];
if (isMainThread && file?.endsWith(".test.ts")) {
  process.once("exit", () => {
    appendFileSync(
      process.env.SERVABLE_TEST_TIMES,
      `${Math.round(performance.now())} ${relative(".", file)}\n`,
    );
  });
}
