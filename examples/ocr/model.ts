import { InferenceSession, type Tensor } from "onnxruntime-node";

/** One thread, because the workers already run in parallel, and a second thread would make a picture hardly faster. */
const OPTIONS: InferenceSession.SessionOptions = { intraOpNumThreads: 1, interOpNumThreads: 1 };

/** A network with one input and one output of numbers. */
export class Model {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** Reads the weights from a file. */
  static async load(path: string): Promise<Model> {
    return new Model(await InferenceSession.create(path, OPTIONS));
  }

  /** Runs the network and returns its output. */
  async run(input: Tensor): Promise<Float32Array> {
    const [from, to] = [this.#session.inputNames[0] as string, this.#session.outputNames[0] as string];
    const { [to]: output } = await this.#session.run({ [from]: input });
    if (!(output?.data instanceof Float32Array))
      throw new TypeError(`the model returned no numbers as ${to}`);
    return output.data;
  }

  /** Frees the weights. */
  async release(): Promise<void> {
    await this.#session.release();
  }
}
