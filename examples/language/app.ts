import languageDetection, { type ModelOperations } from "@vscode/vscode-languagedetection";
import { App, AppException, endpoint, FieldException, type RequestContext } from "servable";
import { Type, type Static } from "typebox";

/** The model returns an empty answer for shorter texts. */
const MIN_CHARACTERS = 20;

const Limit = Type.Integer({
  minimum: 1,
  maximum: 54,
  default: 3,
  description: "How many languages to list.",
});

const Source = Type.Object(
  { text: Type.String({ description: "Source code.", maxLength: 1_000_000 }), limit: Limit },
  { $id: "Source" },
);
type Source = Static<typeof Source>;

const Guess = Type.Object(
  {
    language: Type.String({ description: "The language by its usual file extension, such as ts or py." }),
    confidence: Type.Number({ minimum: 0, maximum: 1, description: "All languages together come to 1." }),
  },
  { $id: "Guess" },
);
type Guess = Static<typeof Guess>;

const Ranking = Type.Object(
  { languages: Type.Array(Guess, { description: "The most likely one first." }) },
  { $id: "Ranking" },
);
type Ranking = Static<typeof Ranking>;

const NamedText = Type.Object({ name: Type.String(), text: Type.String() }, { $id: "NamedText" });

const Files = Type.Object(
  { files: Type.Array(NamedText, { minItems: 1, maxItems: 1000 }), limit: Limit },
  { $id: "Files" },
);
type Files = Static<typeof Files>;

const FileRanking = Type.Object(
  {
    name: Type.String(),
    languages: Type.Array(Guess, { description: "Empty when the text is too short to tell." }),
  },
  { $id: "FileRanking" },
);
type FileRanking = Static<typeof FileRanking>;

/** Detects the programming language of a text. */
export default class LanguageDetector extends App {
  static override version = "1.0.0";

  #model: ModelOperations | undefined;

  override async setup(): Promise<void> {
    const model = new languageDetection.ModelOperations({ minContentSize: MIN_CHARACTERS });
    // The first call reads the weights, so that no caller has to wait for them.
    await model.runModel("import os\nfor name in os.listdir():\n    print(name)\n");
    this.#model = model;
  }

  override teardown(): void {
    this.#model?.dispose();
    this.#model = undefined;
  }

  override health(): { version: string; modelLoaded: boolean } {
    return { version: LanguageDetector.version, modelLoaded: this.#model !== undefined };
  }

  @endpoint("/", { input: Source, output: Ranking, summary: "Rank the languages of a text" })
  async detect({ text, limit }: Source): Promise<Ranking> {
    if (text.length < MIN_CHARACTERS) {
      throw new FieldException(
        "text",
        `The model needs at least ${MIN_CHARACTERS} characters to tell a language, got ${text.length}`,
        { type: "text_too_short" },
      );
    }
    return { languages: await this.#rank(text, limit) };
  }

  @endpoint("/files", {
    input: Files,
    output: FileRanking,
    stream: true,
    summary: "Rank the languages of several files, one event a file",
  })
  async *detectFiles({ files, limit }: Files, ctx: RequestContext): AsyncGenerator<FileRanking> {
    for (const { name, text } of files) {
      ctx.signal.throwIfAborted(); // the client has disconnected
      yield { name, languages: await this.#rank(text, limit) };
    }
  }

  async #rank(text: string, limit: number): Promise<Guess[]> {
    if (this.#model === undefined) throw new AppException("The model is not loaded", 503);
    const ranked = await this.#model.runModel(text);
    return ranked.slice(0, limit).map(({ languageId, confidence }) => ({
      language: languageId,
      confidence: Math.round(confidence * 1000) / 1000,
    }));
  }
}
