import { Type, type Static } from "typebox";
import { App, endpoint, FieldException, type RequestContext } from "servable";

const Text = Type.Object(
  {
    text: Type.String({ minLength: 1, maxLength: 100_000, description: "The text to summarise." }),
    top: Type.Integer({ minimum: 1, maximum: 100, default: 3, description: "How many words to return." }),
  },
  { $id: "Text" },
);
type Text = Static<typeof Text>;

const WordCount = Type.Object({ word: Type.String(), count: Type.Integer() }, { $id: "WordCount" });
type WordCount = Static<typeof WordCount>;

const Summary = Type.Object(
  { words: Type.Integer(), sentences: Type.Integer(), frequent: Type.Array(WordCount) },
  { $id: "Summary" },
);
type Summary = Static<typeof Summary>;

/** Summarises a text by its most frequent words. */
export default class TextSummary extends App {
  static override version = "0.1.0";

  #commonWords: ReadonlySet<string> = new Set();

  /** Runs once, before the port opens. Load models here. */
  override setup(): void {
    this.#commonWords = new Set(["a", "an", "and", "in", "is", "it", "of", "on", "or", "the", "to"]);
  }

  @endpoint("/", { input: Text, output: Summary, summary: "Summarise a text" })
  summarise({ text, top }: Text): Summary {
    const words = wordsOf(text);
    if (words.length === 0) throw new FieldException("text", "There is no word in it");
    return {
      words: words.length,
      sentences: sentencesOf(text).length,
      frequent: this.#rank(words).slice(0, top),
    };
  }

  /** One item for each sentence, sent as soon as it is ready. */
  @endpoint("/sentences", { input: Text, output: Summary, stream: true, summary: "Sentence by sentence" })
  async *sentences({ text, top }: Text, ctx: RequestContext): AsyncGenerator<Summary> {
    for (const sentence of sentencesOf(text)) {
      if (ctx.signal.aborted) return; // the client has disconnected
      const words = wordsOf(sentence);
      yield { words: words.length, sentences: 1, frequent: this.#rank(words).slice(0, top) };
    }
  }

  #rank(words: readonly string[]): WordCount[] {
    const counts = new Map<string, number>();
    for (const word of words) {
      if (!this.#commonWords.has(word)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    return [...counts].map(([word, count]) => ({ word, count })).sort((a, b) => b.count - a.count);
  }
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
}

function sentencesOf(text: string): string[] {
  return text.split(/(?<=[.!?])\s+/).filter((sentence) => sentence.trim() !== "");
}
