import { setImmediate as nextTurn } from "node:timers/promises";
import type { Steps } from "../../openapi/steps.ts";

/** Number of steps in one turn of the event loop: a step takes a fraction of a millisecond, unless a schema is large. */
const STEPS_A_TURN = 8;

/** Does work in many turns of the event loop, so that requests are answered in between. */
export async function takeTurns<Result>(steps: Steps<Result>): Promise<Result> {
  for (let count = 1; ; count++) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (count % STEPS_A_TURN === 0) await nextTurn();
  }
}
