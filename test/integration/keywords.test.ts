import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Type } from "typebox";
import { App, endpoint, realtime } from "servable";
import { connectTestSocket, startTestServer, type TestServer } from "servable/testing";
import { KEYWORD_ROWS } from "../helpers/keyword-rows.ts";

/** One field for each keyword; a value is sent for one of them at a time. */
const Fields = {
  type: "object",
  properties: Object.fromEntries(
    Object.entries(KEYWORD_ROWS).map(([keyword, { schema }]) => [
      keyword,
      { ...schema, $id: `Rule of ${keyword}` },
    ]),
  ),
};
const Rules = Type.Unsafe<Record<string, unknown>>(Fields);
const Anything = Type.Unsafe<Record<string, unknown>>({ type: "object", additionalProperties: true });

class Keywords extends App {
  @endpoint("/in", { input: Rules })
  takes(): boolean {
    return true;
  }

  @endpoint("/out", { input: Anything, output: Rules })
  gives(value: Record<string, unknown>): Record<string, unknown> {
    return value;
  }

  @endpoint("/stream", { input: Anything, output: Rules, stream: true })
  async *yields(value: Record<string, unknown>): AsyncGenerator<Record<string, unknown>> {
    yield value;
  }

  @realtime("/frames", { input: Rules, output: Rules })
  answers(value: Record<string, unknown>): Record<string, unknown> {
    return value;
  }

  @realtime("/results", { input: Anything, output: Rules })
  results(value: Record<string, unknown>): Record<string, unknown> {
    return value;
  }
}

describe("each keyword of JSON Schema", { timeout: 120_000 }, () => {
  let served: TestServer<Keywords>;
  before(async () => {
    served = await startTestServer(new Keywords());
  });
  after(() => served.close());

  const statusOf = async (path: string, value: unknown): Promise<number> => {
    const answer = await served.post(path, value);
    const text = await answer.text();
    return answer.status === 200 && text.includes("event: error") ? 500 : answer.status;
  };
  /** Returns true if a frame gets a response, false if the session ends. */
  const isAnswered = async (path: string, value: Record<string, unknown>): Promise<boolean> => {
    const socket = await connectTestSocket(served.url + path);
    socket.send(value as never);
    const answered = await socket.next().then(
      () => true,
      () => false,
    );
    await socket.close();
    return answered;
  };

  for (const [keyword, { good, bad }] of Object.entries(KEYWORD_ROWS)) {
    test(`${keyword}: is enforced for bodies, results, stream items and frames`, async () => {
      for (const value of good) {
        const sent = { [keyword]: value };
        assert.equal(await statusOf("/in", sent), 200, JSON.stringify(sent));
        assert.equal(await statusOf("/out", sent), 200, JSON.stringify(sent));
        assert.equal(await statusOf("/stream", sent), 200, JSON.stringify(sent));
        assert.ok(await isAnswered("/frames", sent), JSON.stringify(sent));
        assert.ok(await isAnswered("/results", sent), JSON.stringify(sent));
      }
      for (const value of bad) {
        const sent = { [keyword]: value };
        assert.equal(await statusOf("/in", sent), 422, JSON.stringify(sent));
        assert.equal(await statusOf("/out", sent), 500, JSON.stringify(sent));
        assert.equal(await statusOf("/stream", sent), 500, JSON.stringify(sent));
        assert.ok(!(await isAnswered("/frames", sent)), JSON.stringify(sent));
        assert.ok(!(await isAnswered("/results", sent)), JSON.stringify(sent));
      }
    });
  }

  test("the class's document is generated, and its references resolve", async () => {
    const document = await served.app.openapi();
    for (const [, name] of JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)) {
      const key = /^#\/components\/schemas\/(.+)$/.exec(name ?? "")?.[1];
      assert.ok(key !== undefined && key in document.components.schemas, name);
    }
  });
});
