import assert from "node:assert/strict";
import { test } from "node:test";
import { dashboardUrls } from "../../../src/cli/deploy/deploy-output.ts";

const DASHBOARD = "https://fal.ai/dashboard/apps/me/web";
const ROWS: readonly (readonly [url: string, playground: string, overview: string])[] = [
  ["https://fal.ai/models/me/web", `${DASHBOARD}/testing/playground?endpoint=me%2Fweb`, DASHBOARD],
  ["https://fal.ai/models/me/web/", `${DASHBOARD}/testing/playground?endpoint=me%2Fweb`, DASHBOARD],
  [
    "https://fal.ai/models/me/web/a/b",
    `${DASHBOARD}/testing/playground?endpoint=me%2Fweb%2Fa%2Fb`,
    DASHBOARD,
  ],
  ["https://fal.ai/models/me/web/health", "", DASHBOARD],
  ["https://fal.ai/models/me/web/run/cancel", "", DASHBOARD],
  ["https://fal.ai/models/me/web/object_info/", "", DASHBOARD],
  // The app itself may have such a name.
  [
    "https://fal.ai/models/me/health",
    "https://fal.ai/dashboard/apps/me/health/testing/playground?endpoint=me%2Fhealth",
    "https://fal.ai/dashboard/apps/me/health",
  ],
  [
    "https://fal.ai/models/a%20b/web%2Fx",
    "https://fal.ai/dashboard/apps/a%20b/web%2Fx/testing/playground?endpoint=a%20b%2Fweb%2Fx",
    "https://fal.ai/dashboard/apps/a%20b/web%2Fx",
  ],
  ["https://fal.ai/models/me", "https://fal.ai/models/me", ""],
  ["https://fal.ai/models/me//web", "https://fal.ai/models/me//web", ""],
  ["https://play.test/me/app", "https://play.test/me/app", ""],
  ["ftp://fal.ai/models/me/web", "ftp://fal.ai/models/me/web", ""],
  [
    "https://fal.ai/models/me/%zz",
    "https://fal.ai/dashboard/apps/me/%25zz/testing/playground?endpoint=me%2F%25zz",
    "https://fal.ai/dashboard/apps/me/%25zz",
  ],
  ["no address", "no address", ""],
  ["", "", ""],
];
for (const [url, playground, overview] of ROWS) {
  test(`the playground URL is ${JSON.stringify(url)}`, () => {
    assert.deepEqual(dashboardUrls(url), { playground, overview });
  });
}
