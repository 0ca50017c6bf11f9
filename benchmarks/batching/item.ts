import { Type, type Static } from "typebox";

/** The body of every request. */
export const Item = Type.Object(
  { seed: Type.Integer({ minimum: 0 }), prompt: Type.String({ minLength: 1, maxLength: 1000 }) },
  { $id: "Item" },
);
export type Item = Static<typeof Item>;

/** The body of its response: the seed of the request, so that the load generator detects a mix-up. */
export const Answer = Type.Object({ seed: Type.Integer() }, { $id: "Answer" });
export type Answer = Static<typeof Answer>;

/** The body of a request with the given number. */
export function itemText(seed: number): string {
  return `{"seed":${seed},"prompt":"a lighthouse in a storm, oil on canvas"}`;
}

/** The body of the response to it. */
export function answerText(seed: number): string {
  return `{"seed":${seed}}`;
}

/** A command to the server during a run. */
export const Control = Type.Object(
  { factor: Type.Number({ exclusiveMinimum: 0, description: "Every batch costs so many times as much." }) },
  { $id: "Control" },
);
export type Control = Static<typeof Control>;

/** The work of the executors since the server started. Times in milliseconds of the monotonic clock. */
export const Report = Type.Object(
  {
    nowMs: Type.Number(),
    batches: Type.Array(
      Type.Object({
        startedMs: Type.Number(),
        size: Type.Integer(),
        errorMs: Type.Number({ description: "By how much the synthetic work took longer than it should." }),
      }),
    ),
    overcommitted: Type.Integer({ description: "Batches that came while every executor was busy." }),
  },
  { $id: "Report" },
);
export type Report = Static<typeof Report>;
