import type { Answer, Item } from "../item.ts";
import type { Rule, RuleOptions } from "./rule.ts";
import { Waiting } from "./waiting.ts";

/** The usual default of servers that batch by a window. */
const WINDOW_MS = 10;

/** Forms a batch when it is full or its window has passed, with or without a free executor; formed batches queue. */
export class WindowEarly implements Rule {
  readonly #options: RuleOptions;
  readonly #formed: Waiting[][] = [];
  #open: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;
  #free: number;

  constructor(options: RuleOptions) {
    this.#options = options;
    this.#free = options.executors;
  }

  submit(input: Item): Promise<Answer> {
    const waiting = new Waiting(input);
    this.#open.push(waiting);
    if (this.#open.length === this.#options.maxSize) this.#form();
    else this.#timer ??= setTimeout(() => this.#form(), WINDOW_MS);
    return waiting.answered;
  }

  #form(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#formed.push(this.#open);
    this.#open = [];
    this.#runNext();
  }

  #runNext(): void {
    if (this.#free === 0) return;
    const batch = this.#formed.shift();
    if (batch === undefined) return;
    this.#free--;
    void Waiting.run(batch, this.#options).then(() => {
      this.#free++;
      this.#runNext();
    });
  }
}
