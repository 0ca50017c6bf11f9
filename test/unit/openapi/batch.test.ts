import assert from "node:assert/strict";
import { test } from "node:test";
import { App, endpoint } from "servable";
import { Type, type Static } from "typebox";

const Text = Type.Object({ text: Type.String() }, { $id: "Text" });
type Text = Static<typeof Text>;

class Echo extends App {
  @endpoint("/", {
    input: Text,
    output: Text,
    batch: { maxSize: 8, maxCost: 100, cost: ({ text }) => text.length },
  })
  echo(texts: Text[]): Text[] {
    return texts;
  }

  @endpoint("/alone", { input: Text, output: Text })
  alone(text: Text): Text {
    return text;
  }
}

test("a batched operation is described by the schema of a single item, and lists the batch's limits", async () => {
  const { paths } = await new Echo().openapi();
  const batched = paths["/"]?.["post"] as Record<string, unknown>;
  const alone = paths["/alone"]?.["post"] as Record<string, unknown>;
  assert.deepEqual(batched["x-fal-batch"], { maxSize: 8, maxCost: 100 });
  assert.deepEqual(batched["requestBody"], alone["requestBody"]);
  const { 429: full, 504: late, ...answers } = batched["responses"] as Record<string, unknown>;
  assert.deepEqual(answers, alone["responses"]);
  assert.ok(full !== undefined && late !== undefined);
  assert.ok(!("x-fal-batch" in alone));
});
