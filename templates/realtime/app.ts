import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Type, type Static } from "typebox";
import { App, realtime, type RequestContext } from "servable";
import { WordModel } from "./word-model.ts";

const Draft = Type.Object(
  {
    text: Type.String({ maxLength: 10_000, description: "The text typed so far." }),
    top: Type.Integer({ minimum: 1, maximum: 20, default: 3, description: "How many words to suggest." }),
  },
  { $id: "Draft" },
);
type Draft = Static<typeof Draft>;

const Suggestions = Type.Object({ words: Type.Array(Type.String()) }, { $id: "Suggestions" });
type Suggestions = Static<typeof Suggestions>;

const Wish = Type.Object(
  {
    start: Type.String({ minLength: 1, maxLength: 100, description: "The word to begin with." }),
    length: Type.Integer({ minimum: 1, maximum: 1000, default: 20, description: "How many words at most." }),
    pauseMs: Type.Integer({ minimum: 0, maximum: 5000, default: 0, description: "Pause after each word." }),
  },
  { $id: "Wish" },
);
type Wish = Static<typeof Wish>;

const Word = Type.Object({ index: Type.Integer(), word: Type.String() }, { $id: "Word" });
type Word = Static<typeof Word>;

/** Suggests words during typing, and continues a text from a first word. */
export default class Typist extends App {
  static override version = "0.1.0";

  #model = new WordModel("");

  /** Runs once, before the port opens. Load models here. */
  override async setup(): Promise<void> {
    this.#model = new WordModel(await readFile(new URL("tale.txt", import.meta.url), "utf8"));
  }

  /** One answer for each message. If messages arrive faster than answers, only the newest two wait. */
  @realtime("/suggest", {
    input: Draft,
    output: Suggestions,
    buffering: 2,
    sessionTimeout: 60,
    emitTimings: true,
  })
  suggest({ text, top }: Draft): Suggestions {
    return { words: this.#model.suggest(text, top) };
  }

  /** One message in, then word after word. A `finally` block would also run when the client disconnects. */
  @realtime("/write", { input: Wish, output: Word, mode: "server_streaming" })
  async *write({ start, length, pauseMs }: Wish, ctx: RequestContext): AsyncGenerator<Word> {
    let word: string | undefined = start;
    for (let index = 0; index < length && word !== undefined; index++) {
      yield { index, word };
      word = this.#model.follow(word, index);
      if (pauseMs > 0) await sleep(pauseMs, undefined, { signal: ctx.signal });
    }
  }
}
