import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { FRAME_SAMPLES, SAMPLE_RATE } from "./frame.ts";

/** Silero VAD, version 5. */
const MODEL = "@ricky0123/vad-web/dist/silero_vad_v5.onnx";
/** The model reads each frame together with the end of the one before. */
const CONTEXT_SAMPLES = 64;
/** What the model remembers of the frames so far. */
const STATE_SHAPE = [2, 1, 128];

/** The weights, which all streams share. */
export class VoiceModel {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** Reads the weights and runs them once, so that no caller has to wait for it. */
  static async load(): Promise<VoiceModel> {
    const session = await InferenceSession.create(fileURLToPath(import.meta.resolve(MODEL)), {
      // The model is far too small to be worth more than one core.
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
    });
    const model = new VoiceModel(session);
    await model.open().push(new Float32Array(FRAME_SAMPLES));
    return model;
  }

  /** A new stream, which has heard nothing yet. */
  open(): VoiceStream {
    return new VoiceStream(this.#session);
  }

  /** Frees the weights. */
  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** One voice being listened to. Frames are pushed in order, each after the answer to the one before. */
export class VoiceStream {
  readonly #session: InferenceSession;
  readonly #rate = new Tensor("int64", [BigInt(SAMPLE_RATE)], []);
  /** The end of the last frame, and room for the next. */
  readonly #input = new Float32Array(CONTEXT_SAMPLES + FRAME_SAMPLES);
  #state: Tensor = new Tensor("float32", new Float32Array(STATE_SHAPE.reduce((a, b) => a * b)), STATE_SHAPE);

  constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** The probability that this frame is speech, from 0 to 1. */
  async push(samples: Float32Array): Promise<number> {
    const input = this.#input;
    input.copyWithin(0, FRAME_SAMPLES);
    input.set(samples, CONTEXT_SAMPLES);
    const { output, stateN } = await this.#session.run({
      input: new Tensor("float32", input, [1, input.length]),
      state: this.#state,
      sr: this.#rate,
    });
    if (!(output?.data instanceof Float32Array) || stateN === undefined) {
      throw new TypeError(`${MODEL} gave no probability`);
    }
    this.#state = stateN;
    return output.data[0] ?? 0;
  }
}
