/** Files in schemas, accepted and refused. Nothing here runs: the type check is the test. */
import { Type } from "typebox";
import { App, endpoint } from "../../src/index.ts";
import {
  Audio,
  File,
  Image,
  Video,
  type CallerInput,
  type CallerOutput,
  type FileRecord,
  type ImageRecord,
} from "../../src/media/index.ts";

const Input = Type.Object({
  image: Image({ maxPixels: 1_000_000 }),
  sounds: Type.Array(Audio()),
  extra: Type.Optional(File()),
  steps: Type.Integer(),
});
const Output = Type.Object({ image: Image(), video: Type.Union([Video(), Type.Null()]) });

export class Media extends App {
  @endpoint("/media", { input: Input, output: Output })
  async media(input: {
    image: Image;
    sounds: Audio[];
    extra?: File;
    steps: number;
  }): Promise<{ image: Image; video: Video | null }> {
    const width: number = await input.image.width;
    return { image: Image.fromBytes(new Uint8Array(width)), video: null };
  }

  // @ts-expect-error a picture is no URL in the handler
  @endpoint("/url", { input: Input })
  url(_input: { image: string }): void {}

  // @ts-expect-error a sound is no picture
  @endpoint("/sound", { output: Output })
  sound(): { image: Image; video: Video | null } | { image: Audio; video: null } {
    return { image: Audio.fromPath("a.wav"), video: null };
  }

  // @ts-expect-error a sound has no width
  width = Audio.fromPath("a.wav").width;

  // @ts-expect-error maxPixels is for pictures
  pixels = Video({ maxPixels: 1 });
}

export const sent: CallerInput<typeof Input> = {
  image: "https://example.com/a.png",
  sounds: [{ url: "data:audio/wav;base64,", content_type: null }],
  steps: 1,
};

// @ts-expect-error a file needs its URL
export const unsent: CallerInput<typeof Input> = { image: {}, sounds: [], steps: 1 };

export function read({ image, video }: CallerOutput<typeof Output>): [ImageRecord, FileRecord | null] {
  return [image, video];
}
