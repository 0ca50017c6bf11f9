import type { Answer, Item } from "../item.ts";
import type { Rule, RuleOptions } from "./rule.ts";
import { Waiting } from "./waiting.ts";

/** A free executor takes all waiting items, up to a full batch. */
export class Greedy implements Rule {
  readonly #options: RuleOptions;
  readonly #queue: Waiting[] = [];
  #free: number;

  constructor(options: RuleOptions) {
    this.#options = options;
    this.#free = options.executors;
  }

  submit(input: Item): Promise<Answer> {
    const waiting = new Waiting(input);
    this.#queue.push(waiting);
    this.#startBatch();
    return waiting.answered;
  }

  #startBatch(): void {
    if (this.#free === 0 || this.#queue.length === 0) return;
    this.#free--;
    void Waiting.run(this.#queue.splice(0, this.#options.maxSize), this.#options).then(() => {
      this.#free++;
      this.#startBatch();
    });
  }
}
