import { Type, type Static } from "typebox";

/** A simple input with a rule and a default. */
export const Prompt = Type.Object(
  { prompt: Type.String({ minLength: 1 }), steps: Type.Integer({ minimum: 1, maximum: 100, default: 25 }) },
  { $id: "Prompt" },
);
export type Prompt = Static<typeof Prompt>;

/** A result. */
export const Picture = Type.Object({ url: Type.String(), seed: Type.Integer() }, { $id: "Picture" });
export type Picture = Static<typeof Picture>;

/** A picture, for handlers that need to return one. */
export const PICTURE: Picture = { url: "data:,", seed: 7 };

/** A tree: a schema that refers to itself. */
export const Tree = Type.Cyclic(
  {
    Tree: Type.Object({
      label: Type.String(),
      weight: Type.Number({ default: 1 }),
      children: Type.Optional(Type.Array(Type.Ref("Tree"))),
    }),
  },
  "Tree",
);
export type Tree = Static<typeof Tree>;
