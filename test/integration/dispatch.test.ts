import assert from "node:assert/strict";
import { test } from "node:test";
import { App, endpoint, type BatchContext } from "servable";
import { Type, type Static } from "typebox";
import { startTestServer } from "../../src/testing/test-server.ts";

const Number_ = Type.Object({ value: Type.Integer() });
type Number_ = Static<typeof Number_>;
const Double = Type.Object({ double: Type.Integer(), batch: Type.Integer() });
type Double = Static<typeof Double>;

class Doubler extends App {
  readonly batches: number[][] = [];
  #open: (() => void) | undefined;

  @endpoint("/", { input: Number_, output: Double, batch: { maxSize: 64 } })
  async double(inputs: Number_[], _batch: BatchContext): Promise<(Double | Error)[]> {
    this.batches.push(inputs.map(({ value }) => value));
    if (inputs[0]?.value === -1) await new Promise<void>((resolve) => (this.#open = resolve));
    return inputs.map(({ value }) =>
      value === 17 ? new Error("17") : { double: 2 * value, batch: inputs.length },
    );
  }

  open(): void {
    this.#open?.();
  }
}

test("callers who wait for the same executor share one call", async () => {
  await using server = await startTestServer(new Doubler());
  const first = server.post("/", { value: -1 });
  while (server.app.batches.length === 0) await new Promise(setImmediate);
  const rest = Array.from({ length: 64 }, (_, value) => server.post("/", { value }));
  await new Promise((resolve) => setTimeout(resolve, 300));
  server.app.open();
  await first;
  const answers = await Promise.all(rest);
  assert.equal(answers.filter(({ status }) => status === 200).length, 63);
  assert.equal(answers[17]?.status, 500);
  assert.deepEqual(await answers[3]?.json(), { double: 6, batch: 64 });
});
