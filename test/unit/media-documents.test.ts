import assert from "node:assert/strict";
import { test } from "node:test";
import { App, endpoint } from "servable";
import { Audio, CompressedFile, File, Image, Video } from "servable/media";
import { Type } from "typebox";

const Both = Type.Object({
  image: Image({ maxBytes: 1 }),
  images: Type.Array(Image({ description: "More pictures" })),
  audio: Type.Optional(Audio()),
  video: Type.Union([Video(), Type.Null()], { default: null }),
  file: File({ title: "Any file" }),
  archive: CompressedFile(),
});

class Media extends App {
  @endpoint("/", { input: Both, output: Type.Object({ image: Image({ maxPixels: 5 }) }) })
  run(): { image: Image } {
    throw new Error("not called");
  }
}

interface Schema {
  readonly properties: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

function withoutDescriptions({ properties, ...rest }: Schema): object {
  const plain = Object.entries(properties).map(([name, { description, ...property }]) => {
    assert.ok(String(description).length > 10, name);
    return [name, property];
  });
  return { ...rest, properties: Object.fromEntries(plain) as object };
}

const nullable = (type: string, title: string, example: unknown): object => ({
  anyOf: [{ type }, { type: "null" }],
  title,
  examples: [example],
});
const FILE = {
  url: { type: "string", title: "Url" },
  content_type: nullable("string", "Content Type", "image/png"),
  file_name: nullable("string", "File Name", "z9RV14K95DvU.png"),
  file_size: nullable("integer", "File Size", 4404019),
};
const IMAGE = {
  ...FILE,
  width: nullable("integer", "Width", 1024),
  height: nullable("integer", "Height", 1024),
};

/** The schema of the original, recorded. */
function recorded(title: string, field: string | undefined, properties: object = FILE): object {
  return {
    type: "object",
    title,
    required: ["url"],
    ...(field === undefined ? {} : { ui: { field } }),
    properties,
    "x-fal-order-properties": Object.keys(properties),
  };
}

test("each kind of file is one component, with the schema of the original", async () => {
  const { components } = await new Media().openapi();
  const schemas = components.schemas as unknown as Readonly<Record<string, Schema>>;
  const of = (name: string): object => withoutDescriptions(schemas[name] as Schema);
  assert.deepEqual(of("Image"), recorded("Image", "image", IMAGE));
  assert.deepEqual(of("File"), recorded("File", undefined));
  assert.deepEqual(of("Audio"), recorded("Audio", "audio"));
  assert.deepEqual(of("Video"), recorded("Video", "video"));
  assert.deepEqual(of("CompressedFile"), recorded("CompressedFile", undefined));
  assert.doesNotMatch(JSON.stringify(components), /x-servable|file_data/);
  assert.deepEqual((schemas["RunInput"] as Schema).properties, {
    image: { $ref: "#/components/schemas/Image" },
    images: {
      items: { $ref: "#/components/schemas/Image", description: "More pictures" },
      title: "Images",
      type: "array",
    },
    audio: { $ref: "#/components/schemas/Audio" },
    video: { anyOf: [{ $ref: "#/components/schemas/Video" }, { type: "null" }], default: null },
    file: { $ref: "#/components/schemas/File", title: "Any file" },
    archive: { $ref: "#/components/schemas/CompressedFile" },
  });
});
