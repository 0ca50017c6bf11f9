import type { Answer, Item } from "../item.ts";
import type { Rule, RuleOptions } from "./rule.ts";
import { Waiting } from "./waiting.ts";

/** The usual default of servers that batch by a window. */
const WINDOW_MS = 10;

/** A free executor takes the waiting items, and waits for more until the batch is full or the window has passed. */
export class WindowPulled implements Rule {
  readonly #options: RuleOptions;
  readonly #queue: Waiting[] = [];
  /** The batch that a free executor is filling. */
  #open: { items: Waiting[]; timer: NodeJS.Timeout } | undefined;
  #free: number;

  constructor(options: RuleOptions) {
    this.#options = options;
    this.#free = options.executors;
  }

  submit(input: Item): Promise<Answer> {
    const waiting = new Waiting(input);
    this.#queue.push(waiting);
    this.#pull();
    return waiting.answered;
  }

  #pull(): void {
    if (this.#open === undefined) {
      if (this.#free === 0 || this.#queue.length === 0) return;
      this.#free--;
      this.#open = { items: [], timer: setTimeout(() => this.#run(), WINDOW_MS) };
    }
    const { items } = this.#open;
    items.push(...this.#queue.splice(0, this.#options.maxSize - items.length));
    if (items.length === this.#options.maxSize) this.#run();
  }

  #run(): void {
    if (this.#open === undefined) return;
    const { items, timer } = this.#open;
    clearTimeout(timer);
    this.#open = undefined;
    void Waiting.run(items, this.#options).then(() => {
      this.#free++;
      this.#pull();
    });
    this.#pull();
  }
}
