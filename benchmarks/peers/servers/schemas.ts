// Schemas of the Fastify and Servable servers, so that both validate the same.
import { Type, type Static } from "typebox";

export const Prompt = Type.Object({
  prompt: Type.String({ minLength: 1, maxLength: 1000 }),
  steps: Type.Integer({ minimum: 1, maximum: 100, default: 25 }),
  seed: Type.Integer(),
  guidance: Type.Number({ minimum: 0, maximum: 20 }),
  format: Type.Union([Type.Literal("png"), Type.Literal("jpeg")]),
  safe: Type.Boolean(),
});
export type Prompt = Static<typeof Prompt>;

export const Picture = Type.Object({
  url: Type.String(),
  prompt: Type.String(),
  seed: Type.Integer(),
  steps: Type.Integer(),
  width: Type.Integer(),
  height: Type.Integer(),
});
export type Picture = Static<typeof Picture>;

/** The length of a stream, and the time before each item in milliseconds. */
export const Wish = Type.Object({ count: Type.Integer(), delay: Type.Integer() });
export type Wish = Static<typeof Wish>;

export const Line = Type.Object({ index: Type.Integer(), text: Type.String() });
export type Line = Static<typeof Line>;

export const Note = Type.Object({
  prompt: Type.String({ minLength: 1, maxLength: 1000 }),
  strength: Type.Number({ minimum: 0, maximum: 1 }),
  seed: Type.Integer(),
  tags: Type.Array(Type.String()),
});
export type Note = Static<typeof Note>;

export const Rounds = Type.Object({ rounds: Type.Integer() });
export type Rounds = Static<typeof Rounds>;

export const Value = Type.Object({ value: Type.Integer() });
export type Value = Static<typeof Value>;
