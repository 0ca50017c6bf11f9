import assert from "node:assert/strict";
import { test } from "node:test";
import { App, endpoint, Hidden } from "servable";
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
  // The type of a document has no place for the keywords of fal that these schemas have.
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
  // The type of a document has no place for the keywords of fal that these schemas have.
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

class Noted extends App {
  @endpoint("/", {
    input: Type.Object(
      {
        last: Type.Optional(Type.String()),
        picture: ImageField(Image(), {
          constraints: { maxWidth: 5, maxFileSize: 9 },
          ui: { important: true },
        }),
        hidden: Hidden(Type.Optional(Image())),
        first: Hidden(FileField(Type.String({ default: "" }))),
      },
      { "x-fal-order-properties": ["first"] },
    ),
  })
  run(): void {}
}

test("a field has the notes of all its functions, and the fields that a schema lists are shown first", async () => {
  const { components } = await new Noted().openapi();
  // The type of a document has no place for the keywords of fal that these schemas have.
  const { RunInput } = components.schemas as unknown as Readonly<
    Record<string, Schema & { required: string[] }>
  >;
  const { properties, required, ...rest } = RunInput as Schema & { required: string[] };
  assert.deepEqual(Object.keys(properties), ["first", "last", "picture", "hidden"]);
  assert.deepEqual((rest as Record<string, unknown>)["x-fal-order-properties"], Object.keys(properties));
  assert.deepEqual(required, ["picture"]);
  const $ref = "#/components/schemas/Image";
  assert.deepEqual(properties["picture"], {
    $ref,
    ui: { field: "image", important: true },
    "x-fal": { max_file_size: 9, max_width: 5 },
  });
  assert.deepEqual(properties["hidden"], { $ref, ui: { field: "image", hidden: true } });
  assert.deepEqual(properties["first"], {
    type: "string",
    title: "First",
    default: "",
    ui: { field: "file", hidden: true },
  });
});

/** Notes that are refused, with the message. */
const REFUSED_NOTES: readonly (readonly [() => unknown, RegExp])[] = [
  [() => Hidden(Type.String()), /Hidden\(\) takes a field with a default/],
  [
    () => VideoField(Type.String(), { constraints: { minFps: 9, maxFps: 8 } }),
    /minFps \(9\) is above maxFps \(8\)/,
  ],
  [() => VideoField(Type.String(), { normalization: { fps: NaN } }), /normalization: fps must be a number/],
  [
    () => VideoField(Type.String(), { combinedConstraints: { maxFrames: 1.5 } }),
    /maxFrames must be a whole number/,
  ],
  [() => ImageField(Type.String(), { constraints: { maxArea: 1 } as object }), /unknown limit "maxArea"/],
  [
    () => ImageSize({ constraints: { minAspectRatio: 1 } }),
    /minAspectRatio and maxAspectRatio need each other/,
  ],
];

test("notes that nothing could keep are refused where they are written", () => {
  for (const [write, message] of REFUSED_NOTES) assert.throws(write, message);
  assert.ok(VideoField(Type.String(), { constraints: { minFps: 8, maxFps: 8, maxDuration: 0.5 } }));
});

test("an order with a field that the schema does not have is refused", async () => {
  class Misspelt extends App {
    @endpoint("/", { input: Type.Object({ prompt: Type.String() }, { "x-fal-order-properties": ["promt"] }) })
    run(): void {}
  }
  await assert.rejects(
    async () => new Misspelt().openapi(),
    /"x-fal-order-properties" names a property that the schema does not have: "promt"; did you mean "prompt"/,
  );
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
