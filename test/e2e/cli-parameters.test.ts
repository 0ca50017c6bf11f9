import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { ANY_PORT, createProject, startCli } from "../helpers/cli.ts";

const APP = `import { Type, type Static } from "typebox";
import { App, endpoint, type RequestContext } from "servable";

const Params = Type.Object({ id: Type.Integer() });
const Query = Type.Object({ limit: Type.Integer({ default: 10 }) });
const Headers = Type.Object({ "x-count": Type.Integer() });
type Parts = { params: Static<typeof Params>; query: Static<typeof Query>; headers: Static<typeof Headers> };

export default class Items extends App {
  @endpoint("/items/:id", { method: "GET", params: Params, query: Query, headers: Headers })
  get({ params, query, headers }: RequestContext<Parts>): object {
    return { ...params, ...query, count: headers["x-count"] };
  }

  @endpoint("/items/:id", { method: "PUT", params: Params, query: Query, headers: Headers, workers: 1, status: 201 })
  put({ params, query, headers }: RequestContext<Parts>): object {
    return { ...params, ...query, count: headers["x-count"] };
  }
}
`;

test("servable run converts parameters, for methods in this process and in workers", async () => {
  const project = createProject({ "app.ts": APP });
  const served = startCli(["run", join(project, "app.ts"), ...ANY_PORT], project);
  const url = await served.listening();
  const headers = { "x-count": "2" };
  for (const [method, status] of [
    ["GET", 200],
    ["PUT", 201],
  ] as const) {
    const answer = await fetch(`${url}/items/5?limit=7`, { method, headers });
    assert.equal(answer.status, status);
    assert.deepEqual(await answer.json(), { id: 5, limit: 7, count: 2 });
    const refused = await fetch(`${url}/items/x`, { method, headers });
    assert.equal(refused.status, 422);
    const { detail } = (await refused.json()) as { detail: { loc: unknown }[] };
    assert.deepEqual(
      detail.map(({ loc }) => loc),
      [["path", "id"]],
    );
  }
  const options = await fetch(`${url}/items/5`, { method: "OPTIONS" });
  assert.equal(options.headers.get("allow"), "GET, HEAD, OPTIONS, PUT");
  served.kill("SIGTERM");
  assert.equal((await served.ended).exitCode, 0);
});
