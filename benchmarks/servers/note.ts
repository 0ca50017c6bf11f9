import { Type, type Static } from "typebox";

/** The message that every realtime server of the benchmark receives and sends back. */
export const Note = Type.Object(
  {
    prompt: Type.String({ minLength: 1, maxLength: 1000 }),
    strength: Type.Number({ minimum: 0, maximum: 1 }),
    seed: Type.Integer(),
    tags: Type.Array(Type.String()),
  },
  { $id: "Note" },
);
export type Note = Static<typeof Note>;
