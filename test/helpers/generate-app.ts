import { Type, type Static } from "typebox";
import { App, endpoint } from "../../src/index.ts";

const LoraWeight = Type.Object(
  {
    path: Type.String({
      description: "URL or path of the weights",
      examples: ["https://x/y.safetensors"],
    }),
    scale: Type.Number({ minimum: 0, maximum: 4, default: 1, description: "Scale of the LoRA" }),
  },
  { $id: "LoraWeight", description: "A LoRA to apply." },
);
const Style = Type.Union([Type.Literal("photo"), Type.Literal("anime")], { $id: "Style" });
const Size = Type.Object(
  {
    width: Type.Integer({ exclusiveMinimum: 0, maximum: 14142, default: 512 }),
    height: Type.Integer({ exclusiveMinimum: 0, exclusiveMaximum: 14143, multipleOf: 8, default: 512 }),
  },
  { $id: "Size" },
);
const NamedSize = Type.Union([Type.Literal("square"), Type.Literal("portrait")]);

const GenerateInput = Type.Object(
  {
    prompt: Type.String({
      minLength: 1,
      maxLength: 100,
      title: "Prompt Title",
      description: "The prompt to generate an image from.",
      examples: ["a cat", "a dog"],
    }),
    negative_prompt: Type.String({ default: "" }),
    num_images: Type.Integer({ minimum: 1, maximum: 4, description: "How many", default: 1 }),
    guidance: Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 20, default: 3.5 }),
    style: Type.With(Style, { default: "photo" }),
    format: Type.Union([Type.Literal("png"), Type.Literal("jpeg")], { default: "png" }),
    seed: Type.Optional(Type.Union([Type.Integer(), Type.Null()])),
    size: Type.Union([Size, NamedSize], { default: "square" }),
    loras: Type.Array(LoraWeight, { maxItems: 3, default: [] }),
    tags: Type.Optional(Type.Array(Type.String())),
    extra: Type.Object({}, { additionalProperties: true, default: {} }),
    enable_safety: Type.Boolean({ default: true }),
    slug: Type.String({ pattern: "^[a-z]+$", default: "abc" }),
  },
  { $id: "GenerateInput" },
);

const EchoIn = Type.Object({ value: Type.Integer(), text: Type.Optional(Type.String()) }, { $id: "EchoIn" });
const EchoOut = Type.Object(
  { value: Type.Integer(), text: Type.Optional(Type.String()) },
  { $id: "EchoOut" },
);
type EchoOut = Static<typeof EchoOut>;

/** The shape of a typical image generator: two endpoints, shared and nested schemas. */
export class GenerateApp extends App {
  static override version = "1.0.0";

  @endpoint("/", { input: GenerateInput, output: EchoOut })
  post({ num_images, prompt }: Static<typeof GenerateInput>): EchoOut {
    return { value: num_images, text: prompt };
  }

  @endpoint("/both", { input: EchoIn, output: EchoOut })
  both_post(input: Static<typeof EchoIn>): EchoOut {
    return input;
  }
}
