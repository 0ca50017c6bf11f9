import assert from "node:assert/strict";
import { test } from "node:test";
import { App, endpoint } from "servable";
import {
  Audio,
  AudioField,
  CompressedFile,
  File,
  FileField,
  getImageSize,
  Image,
  ImageField,
  ImageSize,
  Video,
  VideoField,
  type ImageDimensions,
  type ImageSizePreset,
} from "servable/media";
import { startTestServer } from "servable/testing";
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

const Sized = Type.Object({
  image_size: ImageSize({ default: "landscape_4_3" }),
  image_url: ImageField(Type.String({ description: "A picture" })),
  mask: Type.Optional(ImageField(Image())),
  audio_url: AudioField(Type.Optional(Type.String())),
  own: VideoField({ ...Type.String(), ui: { field: "textarea", important: true } }),
  file: FileField(Type.String()),
});

class Sizes extends App {
  @endpoint("/", { input: Sized })
  run({ image_size }: { image_size: ImageDimensions | ImageSizePreset }): ImageDimensions {
    return getImageSize(image_size);
  }
}

test("sizes and fields of files are described as in the original", async () => {
  const { components } = await new Sizes().openapi();
  const schemas = components.schemas as unknown as Readonly<Record<string, Schema>>;
  const length = { type: "integer", default: 512, exclusiveMinimum: 0, maximum: 14_142 };
  const properties = { width: { ...length, title: "Width" }, height: { ...length, title: "Height" } };
  assert.deepEqual(withoutDescriptions(schemas["ImageSize"] as Schema), {
    type: "object",
    title: "ImageSize",
    properties,
    "x-fal-order-properties": ["width", "height"],
  });
  const { required, properties: fields } = schemas["RunInput"] as Schema & { required: string[] };
  assert.deepEqual(fields["image_size"], {
    anyOf: [
      { $ref: "#/components/schemas/ImageSize" },
      {
        type: "string",
        enum: ["square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"],
      },
    ],
    default: "landscape_4_3",
    title: "Image Size",
  });
  assert.deepEqual(fields["image_url"]?.["ui"], { field: "image" });
  assert.deepEqual(fields["mask"], { $ref: "#/components/schemas/Image", ui: { field: "image" } });
  assert.deepEqual(fields["audio_url"]?.["ui"], { field: "audio" });
  assert.deepEqual(fields["own"]?.["ui"], { field: "textarea", important: true });
  assert.deepEqual(fields["file"]?.["ui"], { field: "file" });
  assert.deepEqual(required, ["image_url", "own", "file"]);
});

test("a size is two numbers, or a name", async () => {
  await using server = await startTestServer(new Sizes());
  const rest = { image_url: "a", own: "b", file: "c" };
  const sizes: readonly (readonly [unknown, number, object | undefined])[] = [
    [undefined, 200, { width: 1024, height: 768 }],
    ["portrait_16_9", 200, { width: 576, height: 1024 }],
    [{ width: 100 }, 200, { width: 100, height: 512 }],
    [{ width: 14_143 }, 422, undefined],
    [{ width: 0 }, 422, undefined],
    ["huge", 422, undefined],
  ];
  for (const [image_size, status, size] of sizes) {
    const answer = await server.post("/", { ...rest, image_size });
    assert.equal(answer.status, status, JSON.stringify(image_size));
    if (size !== undefined) assert.deepEqual(await answer.json(), size);
  }
  assert.throws(() => getImageSize("huge" as "square"), TypeError);
});
