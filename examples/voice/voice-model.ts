import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { FRAME_SAMPLES, SAMPLE_RATE } from "./frame.ts";

/** Silero VAD, version 5. */
const MODEL = "@ricky0123/vad-web/dist/silero_vad_v5.onnx";
/** The model reads each frame together with the end of the previous one. */
const CONTEXT_SAMPLES = 64;
const INPUT_SAMPLES = CONTEXT_SAMPLES + FRAME_SAMPLES;
/** Size of each of the two layers of a stream's state in the model. */
const LAYERS = 2;
const LAYER_SIZE = 128;

const RATE = new Tensor("int64", [BigInt(SAMPLE_RATE)], []);

/** The weights, which all streams share. */
export class VoiceModel {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** Reads the weights and runs them once, so that no request has to wait for it. */
  static async load(): Promise<VoiceModel> {
    const session = await InferenceSession.create(fileURLToPath(import.meta.resolve(MODEL)), {
      // The model is too small to use more than one core.
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
    });
    const model = new VoiceModel(session);
    await model.hear([new VoiceStream()], [new Float32Array(FRAME_SAMPLES)]);
    return model;
  }

  /**
   * Processes the next frame of each stream, all in one run of the model. A stream may occur once, because each of its
   * frames needs the state after the previous one.
   * @returns the probability of speech for each frame, from 0 to 1
   */
  async hear(streams: readonly VoiceStream[], frames: readonly Float32Array[]): Promise<number[]> {
    const count = streams.length;
    const input = new Float32Array(count * INPUT_SAMPLES);
    const state = new Float32Array(LAYERS * count * LAYER_SIZE);
    streams.forEach((stream, index) => {
      input.set(stream.context, index * INPUT_SAMPLES);
      input.set(frames[index] as Float32Array, index * INPUT_SAMPLES + CONTEXT_SAMPLES);
      stream.state.forEach((layer, at) => state.set(layer, (at * count + index) * LAYER_SIZE));
    });
    const { output, stateN } = await this.#session.run({
      input: new Tensor("float32", input, [count, INPUT_SAMPLES]),
      state: new Tensor("float32", state, [LAYERS, count, LAYER_SIZE]),
      sr: RATE,
    });
    if (!(output?.data instanceof Float32Array) || !(stateN?.data instanceof Float32Array)) {
      throw new TypeError(`${MODEL} returned no probabilities`);
    }
    const next = stateN.data;
    streams.forEach((stream, index) => {
      stream.context = (frames[index] as Float32Array).slice(-CONTEXT_SAMPLES);
      stream.state = stream.state.map((_, at) => {
        const from = (at * count + index) * LAYER_SIZE;
        return next.slice(from, from + LAYER_SIZE);
      });
    });
    return [...output.data];
  }

  /** Frees the weights. */
  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** The model's state of one voice; empty at first. */
export class VoiceStream {
  /** The end of the last frame. */
  context = new Float32Array(CONTEXT_SAMPLES);
  /** One array per layer. */
  state: readonly Float32Array[] = Array.from({ length: LAYERS }, () => new Float32Array(LAYER_SIZE));
}
