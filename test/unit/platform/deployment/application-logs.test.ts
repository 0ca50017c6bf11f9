import assert from "node:assert/strict";
import { test } from "node:test";
import { isForReaders, type ApplicationLog } from "../../../../src/platform/deployment/application-logs.ts";

const lineOf = (level: ApplicationLog["level"], message: string): ApplicationLog => ({
  message,
  source: "BUILDER",
  level,
  timestamp: new Date(0),
});

test("debug levels and links to private build pages are not shown to users", () => {
  const shown = (["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "STDOUT", "STDERR"] as const).filter(
    (level) => isForReaders(lineOf(level, "step")),
  );
  assert.deepEqual(shown, ["INFO", "WARNING", "ERROR", "STDOUT", "STDERR"]);
  assert.equal(isForReaders(lineOf("INFO", "Build: https://depot.dev/orgs/1/builds/2")), false);
  assert.equal(isForReaders(lineOf("INFO", "at https://x.depot.dev")), false);
  assert.equal(isForReaders(lineOf("INFO", "https://notdepot.devil.com, or depot.dev")), true);
});
