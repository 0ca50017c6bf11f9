import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { App, endpoint, Hidden } from "servable";
import {
  Audio,
  AudioField,
  CompressedFile,
  File,
  FileField,
  Image,
  ImageField,
  ImageSize,
  Video,
  VideoField,
} from "servable/media";
import { startTestServer } from "servable/testing";
import { Type, type Static, type TSchema } from "typebox";
import { pythonEnvironment } from "../helpers/python-packages.ts";

const python = await pythonEnvironment("fal-1.83.0", "fal==1.83.0");
const skip = "missing" in python ? python.missing : false;
const program = fileURLToPath(new URL("../fixtures/original_files.py", import.meta.url));

const orNull = <Schema extends TSchema>(schema: Schema) =>
  Type.Union([schema, Type.Null()], { default: null });
const emptyText = Type.String({ default: "" });

/** The schema of the original's program. */
const Input = Type.Object(
  {
    image_size: ImageSize({
      default: "landscape_4_3",
      constraints: {
        minWidth: 64,
        maxArea: 1_000_000,
        multipleOf: 8,
        minAspectRatio: 0.5,
        maxAspectRatio: 2,
      },
      ui: { important: true },
    }),
    image: Image(),
    images: Type.Array(Image(), { default: [], description: "More pictures" }),
    video: VideoField(orNull(Video()), { constraints: { maxDuration: 10.5, maxFileSize: 1_000 } }),
    clips: VideoField(Type.Array(Video(), { default: [] }), {
      combinedConstraints: { maxFrames: 100 },
      normalization: { fps: 24, maxDuration: 5 },
      ui: { important: true },
    }),
    audio: orNull(Audio()),
    archive: orNull(CompressedFile()),
    any: orNull(File()),
    image_url: ImageField(emptyText),
    audio_url: AudioField(emptyText),
    file_url: FileField(emptyText),
    debug: Hidden(Type.Boolean({ default: false })),
  },
  { $id: "Input", "x-fal-order-properties": ["video", "clips"] },
);
const Output = Type.Object({ image: Image() }, { $id: "Output" });

class Files extends App {
  @endpoint("/", { input: Input, output: Output })
  run({ image }: Static<typeof Input>): Static<typeof Output> {
    return { image };
  }
}

const FILE = "data:,a";
/** Inputs that both answer in the same way. */
const INPUTS: readonly object[] = [
  { image: FILE },
  { image: "HTTPS://example.com/a.png" },
  { image: { url: "https://example.com/a", width: 3, unknown: 1 } },
  { image: { url: FILE, content_type: null, file_size: null } },
  { image: FILE, image_size: { width: 100 } },
  { image: FILE, image_size: { width: 63, height: 65 } }, // the limits are for clients
  { image: FILE, image_size: "square", video: FILE, clips: [FILE, { url: FILE }], debug: true },
  { image: FILE, video: null, audio: { url: FILE }, archive: null, any: FILE },
  {},
  { image: "/pictures/a.png" },
  { image: "" },
  { image: "ftp://example.com/a" },
  { image: {} },
  { image: 7 },
  { image: null },
  { image: true },
  { image: [FILE] },
  { image: { url: 7 } },
  { image: { url: null } },
  { image: { url: FILE, width: 1.5 } },
  { image: { url: FILE, content_type: 7 } },
  { image: FILE, images: [FILE, "no"] },
  { image: FILE, images: FILE },
  { image: FILE, video: { file_name: "x" } },
  { image: FILE, video: 7 },
  { image: FILE, clips: [7, "no", {}] },
  { image: FILE, image_size: "huge" },
  { image: FILE, image_size: 7 },
  { image: FILE, image_size: { width: 0 } },
  { image: FILE, image_size: { width: 2, height: 14_143 } },
];

interface Original {
  readonly schemas: Readonly<Record<string, Schema>>;
  readonly answers: readonly (readonly [status: number, body: unknown])[];
}

type Schema = Readonly<Record<string, unknown>> & {
  readonly properties: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
};

async function runOriginal(inputs: readonly object[]): Promise<Original> {
  assert.ok("folder" in python);
  const child = spawn(join(python.folder, "bin/python"), [program]);
  child.stdin.end(JSON.stringify(inputs));
  const [output, log] = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.match(output, /^\{/, log);
  return JSON.parse(output) as Original;
}

test("documents and answers about files are those of the original", { skip }, async (context) => {
  const original = await runOriginal(INPUTS);
  const app = new Files();

  await context.test(
    "the schemas are the same but for the descriptions, and without fields for its own code",
    async () => {
      const { components } = await app.openapi();
      // The type of a document has no place for the keywords of fal that these schemas have.
      const schemas = components.schemas as unknown as Record<string, Schema>;
      for (const name of [
        "Input",
        "Output",
        "Image",
        "Video",
        "Audio",
        "File",
        "CompressedFile",
        "ImageSize",
      ]) {
        const theirs = original.schemas[name] ?? original.schemas[`${name}-Input`];
        assert.deepEqual(comparable(schemas[name]), comparable(theirs), name);
        assert.deepEqual(
          Object.keys(comparable(schemas[name]).properties),
          comparable(theirs)["x-fal-order-properties"],
        );
      }
    },
  );

  await context.test("inputs are accepted and refused in the same way", async () => {
    await using server = await startTestServer(app);
    for (const [index, input] of INPUTS.entries()) {
      const answer = await server.post("/", input);
      const [status, body] = original.answers[index] ?? [];
      assert.deepEqual([answer.status, await answer.json()], [status, body], JSON.stringify(input));
    }
  });
});

/** Fields that only code of the original uses. */
const INTERNAL: ReadonlySet<string> = new Set(["file_data", "extract_dir"]);

/**
 * A schema without texts for people, without defaults of null, which the original does not show, and without the fields
 * of its own that the original shows by mistake.
 */
function comparable(schema: Schema | undefined): Schema {
  assert.ok(schema !== undefined);
  return JSON.parse(
    JSON.stringify(schema, (key, value: unknown) => {
      if (key === "description" && typeof value === "string") return undefined;
      if (INTERNAL.has(key) || (key === "default" && value === null)) return undefined;
      if (key === "x-fal-order-properties") return (value as string[]).filter((name) => !INTERNAL.has(name));
      return key === "$ref" ? String(value).replace(/-(?:Input|Output)$/, "") : value;
    }),
  ) as Schema;
}
