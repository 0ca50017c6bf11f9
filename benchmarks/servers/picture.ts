import { Type, type Static } from "typebox";

/** The request body of every server of the benchmark. */
export const Prompt = Type.Object(
  {
    prompt: Type.String({ minLength: 1, maxLength: 1000 }),
    steps: Type.Integer({ minimum: 1, maximum: 100, default: 25 }),
    seed: Type.Integer(),
  },
  { $id: "Prompt" },
);
export type Prompt = Static<typeof Prompt>;

/** The response of every server of the benchmark. */
export const Picture = Type.Object(
  {
    images: Type.Array(
      Type.Object({ url: Type.String(), width: Type.Integer(), height: Type.Integer() }, { $id: "Image" }),
    ),
    prompt: Type.String(),
    seed: Type.Integer(),
    steps: Type.Integer(),
  },
  { $id: "Picture" },
);
export type Picture = Static<typeof Picture>;

/** The work of the handler: almost none, so that the rest is the cost of the server. */
export function draw({ prompt, seed, steps }: Prompt): Picture {
  const images = [{ url: `https://pictures.example/${seed}.png`, width: 1024, height: 768 }];
  return { images, prompt, seed, steps };
}
