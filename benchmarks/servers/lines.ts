import { setTimeout as sleep } from "node:timers/promises";
import { Type, type Static } from "typebox";

/** The input of the streams of the benchmark: the number of items, and the time before each of them, in ms. */
export const Wish = Type.Object(
  {
    count: Type.Integer({ minimum: 1, maximum: 1000 }),
    delayMs: Type.Integer({ minimum: 0, maximum: 1000 }),
  },
  { $id: "Wish" },
);
export type Wish = Static<typeof Wish>;

/** An item of the streams of the benchmark. */
export const Line = Type.Object({ index: Type.Integer(), text: Type.String() }, { $id: "Line" });
export type Line = Static<typeof Line>;

/** Yields the items of a stream. */
export async function* linesOf({ count, delayMs }: Wish): AsyncGenerator<Line> {
  for (let index = 0; index < count; index++) {
    if (delayMs > 0) await sleep(delayMs);
    yield { index, text: `this is item number ${index} of the stream` };
  }
}
