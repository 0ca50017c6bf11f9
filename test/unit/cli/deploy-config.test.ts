import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { findConfig } from "../../../src/cli/deploy/config.ts";
import { UsageError } from "../../../src/errors.ts";
import { createProject } from "../../helpers/cli.ts";

const found = (text: string): ReturnType<typeof findConfig> =>
  findConfig(createProject({ "servable.config.ts": text }));
const ofApp = (app: string): string => `export default { apps: { web: ${app} } };`;

describe("a deploy config", () => {
  test("is the nearest one in the folder or its parents, with or without a type", async () => {
    const folder = createProject({
      "package.json": '{"type":"module","servable":{"apps":{"outer":{"file":"a.ts"}}}}',
      "inner/servable.config.ts": `import type { ServableConfig } from "servable";
export default { apps: { web: { image: { image: "ghcr.io/me/web:1" }, keepAlive: 5 } } } satisfies ServableConfig;`,
    });
    mkdirSync(join(folder, "inner/src"));
    const config = await findConfig(join(folder, "inner/src"));
    assert.deepEqual(config?.apps, { web: { image: { image: "ghcr.io/me/web:1" }, keepAlive: 5 } });
    assert.equal(config?.directory, join(folder, "inner"));
    assert.deepEqual(Object.keys((await findConfig(folder))?.apps ?? {}), ["outer"]);
  });

  const wrong: [text: string, message: RegExp][] = [
    ["export const apps = {};", /has no default export; write "export default \{ apps: /],
    ["export default { app: {} };", /has an unknown key "app"; did you mean "apps"\?/],
    ["export default {};", /has no apps; write/],
    [ofApp("{ keepAlive: 1 }"), /apps\.web needs a file or an image/],
    [ofApp("{ file: 'a.ts', image: { image: 'a' } }"), /apps\.web has a file and an image; it takes one/],
    [
      ofApp("{ file: 'a.ts', keepalive: 1 }"),
      /apps\.web has an unknown key "keepalive"; did you mean "keepAlive"\?/,
    ],
    [ofApp("{ file: 'a.ts', keepAlive: '1' }"), /apps\.web\.keepAlive must be a whole number from 0/],
    [
      ofApp("{ file: 'a.ts', auth: 'secret' }"),
      /apps\.web\.auth must be one of "private", "public", "shared"/,
    ],
    [
      ofApp("{ file: 'a.ts', minConcurrency: 3, maxConcurrency: 2 }"),
      /minConcurrency \(3\) is above maxConcurrency/,
    ],
    [ofApp("{ file: 'a.ts', healthCheck: {} }"), /apps\.web\.healthCheck has no path/],
    [
      ofApp("{ file: 'a.ts', healthCheck: { path: '/', methode: 'GET' } }"),
      /unknown key "methode"; did you mean "method"/,
    ],
  ];
  for (const [text, message] of wrong) {
    test(`is rejected with a one-line message: ${text.replace(/^export default /, "")}`, () =>
      assert.rejects(found(text), (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, message);
        return !error.message.includes("\n");
      }));
  }
});
