/** Work in small steps, after each of which it may pause. Returns its result. */
export type Steps<Result> = Generator<void, Result>;

/** Does all steps without a pause. */
export function finish<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
