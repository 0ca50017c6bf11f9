import assert from "node:assert/strict";
import { test } from "node:test";
import { isForReaders, type ApplicationLog } from "../../../../src/platform/deployment/application-logs.ts";

const lineOf = (level: ApplicationLog["level"], message: string): ApplicationLog => ({
  message,
  source: "BUILDER",
  level,
  timestamp: new Date(0),
});

test("what only who looks for a fault wants is not for readers: low levels, and pages that open for others", () => {
  const shown = (["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "STDOUT", "STDERR"] as const).filter(
    (level) => isForReaders(lineOf(level, "step")),
  );
  assert.deepEqual(shown, ["INFO", "WARNING", "ERROR", "STDOUT", "STDERR"]);
  assert.equal(isForReaders(lineOf("INFO", "Build: https://depot.dev/orgs/1/builds/2")), false);
  assert.equal(isForReaders(lineOf("INFO", "at https://x.depot.dev")), false);
  assert.equal(isForReaders(lineOf("INFO", "https://notdepot.devil.com, or depot.dev")), true);
});
