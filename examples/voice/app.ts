import {
  App,
  AppException,
  bytes,
  endpoint,
  FieldException,
  realtime,
  type BatchContext,
  type RequestContext,
} from "servable";
import { Type, type Static } from "typebox";
import { FRAME_BYTES, framesOf, SAMPLE_RATE, samplesOf } from "./frame.ts";
import { SpeechSegmenter, type SpeechSegment } from "./speech-segmenter.ts";
import { VoiceModel, VoiceStream } from "./voice-model.ts";
import { readWav, WavError } from "./wav-file.ts";

/** 32 ms of audio. */
export const Frame = Type.Object(
  {
    pcm: bytes({
      minBytes: FRAME_BYTES,
      maxBytes: FRAME_BYTES,
      description: "512 samples of 16 kHz audio, 16-bit signed little-endian: 1,024 bytes, as binary.",
    }),
  },
  { $id: "Frame" },
);
export type Frame = Static<typeof Frame>;

/** The result for one frame. */
export const Speech = Type.Object(
  {
    probability: Type.Number({
      minimum: 0,
      maximum: 1,
      description: "The probability that this frame is speech.",
    }),
    speaking: Type.Boolean({ description: "True until a quarter of a second without speech has passed." }),
    index: Type.Integer({ minimum: 0, description: "The frame's number, from 0." }),
  },
  { $id: "Speech" },
);
export type Speech = Static<typeof Speech>;

/** A stretch of speech. */
export const Segment = Type.Object(
  {
    start: Type.Number({ description: "Seconds from the start of the audio." }),
    end: Type.Number(),
  },
  { $id: "Segment" },
);
export type Segment = Static<typeof Segment>;

const Recording = Type.Object(
  {
    wav: Type.String({
      format: "byte",
      maxLength: 32 * 1024 * 1024,
      description: "A WAV file, 16-bit PCM, one channel, 16 kHz, as base64.",
    }),
  },
  { $id: "Recording" },
);
type Recording = Static<typeof Recording>;

const Segments = Type.Object(
  { seconds: Type.Number({ description: "Length of the recording." }), segments: Type.Array(Segment) },
  { $id: "Segments" },
);
type Segments = Static<typeof Segments>;

/** The state of one voice so far. */
class Listening {
  readonly stream = new VoiceStream();
  readonly segmenter = new SpeechSegmenter();
}

/** Finds speech in audio. */
export default class VoiceDetector extends App {
  static override version = "1.0.0";

  #model: VoiceModel | undefined;
  /** A session keeps its context from its first frame to its end. */
  readonly #sessions = new Map<RequestContext, Listening>();

  override async setup(): Promise<void> {
    this.#model = await VoiceModel.load();
  }

  override async teardown(): Promise<void> {
    await this.#model?.release();
    this.#model = undefined;
  }

  override health(): { version: string; modelLoaded: boolean; sessions: number } {
    return {
      version: VoiceDetector.version,
      modelLoaded: this.#model !== undefined,
      sessions: this.#sessions.size,
    };
  }

  @endpoint("/", { input: Recording, output: Segments, summary: "Find the speech in a WAV file" })
  async find({ wav }: Recording, ctx: RequestContext): Promise<Segments> {
    const pcm = readRecording(wav);
    const { stream, segmenter } = new Listening();
    const segments: SpeechSegment[] = [];
    for (const frame of framesOf(pcm)) {
      ctx.signal.throwIfAborted(); // the client has disconnected
      const [probability = 0] = await this.#loaded.hear([stream], [samplesOf(frame)]);
      const closed = segmenter.push(probability);
      if (closed !== undefined) segments.push(closed);
    }
    const last = segmenter.end();
    if (last !== undefined) segments.push(last);
    return { seconds: pcm.byteLength / 2 / SAMPLE_RATE, segments };
  }

  // The frames of all sessions share runs of the model, one frame of each: among eight or more, a frame takes a quarter
  // of its time alone. There is no `buffering`, because the model needs every frame, so none may be dropped.
  @realtime("/realtime", {
    input: Frame,
    output: Speech,
    sessionTimeout: 30,
    batch: "shared",
    maxBatchSize: 32,
    description: "For each frame, the probability of speech and whether the person is speaking.",
  })
  async hear(frames: Frame[], { requests }: BatchContext): Promise<Speech[]> {
    const sessions = requests.map((ctx) => this.#listeningOf(ctx));
    const probabilities = await this.#loaded.hear(
      sessions.map(({ stream }) => stream),
      frames.map(({ pcm }) => samplesOf(pcm)),
    );
    return sessions.map(({ segmenter }, index) => {
      const probability = probabilities[index] ?? 0;
      segmenter.push(probability);
      return { probability, speaking: segmenter.speaking, index: segmenter.frames - 1 };
    });
  }

  @realtime("/segments", {
    input: Frame,
    output: Segment,
    mode: "bidi",
    sessionTimeout: 30,
    description: "Sends each segment of speech after a quarter of a second without speech.",
  })
  async *follow(frames: AsyncIterable<Frame>): AsyncGenerator<Segment> {
    const { stream, segmenter } = new Listening();
    for await (const { pcm } of frames) {
      const [probability = 0] = await this.#loaded.hear([stream], [samplesOf(pcm)]);
      const closed = segmenter.push(probability);
      if (closed !== undefined) yield closed;
    }
    const last = segmenter.end();
    if (last !== undefined) yield last;
  }

  get #loaded(): VoiceModel {
    if (this.#model === undefined) throw new AppException("The model is not loaded", 503);
    return this.#model;
  }

  #listeningOf(ctx: RequestContext): Listening {
    let listening = this.#sessions.get(ctx);
    if (listening === undefined) {
      listening = new Listening();
      this.#sessions.set(ctx, listening);
      // Aborts when the session ends for any reason.
      ctx.signal.addEventListener("abort", () => this.#sessions.delete(ctx), { once: true });
    }
    return listening;
  }
}

function readRecording(wav: string): Uint8Array {
  try {
    return readWav(Buffer.from(wav, "base64"));
  } catch (error) {
    if (!(error instanceof WavError)) throw error;
    throw new FieldException("wav", error.message, { type: "wav_invalid", cause: error });
  }
}
