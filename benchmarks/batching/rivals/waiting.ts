import type { Answer, Item } from "../item.ts";
import type { RuleOptions } from "./rule.ts";

/** A request that a rule has not answered yet. */
export class Waiting {
  readonly input: Item;
  readonly arrivedMs = performance.now();
  readonly answered: Promise<Answer>;
  #resolve!: (answer: Answer) => void;
  #reject!: (error: unknown) => void;

  constructor(input: Item) {
    this.input = input;
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  refuse(error: unknown): void {
    this.#reject(error);
  }

  /** Runs a batch and answers all its requests. Never rejects. */
  static async run(batch: readonly Waiting[], options: RuleOptions): Promise<void> {
    try {
      const answers = await options.run(batch.map(({ input }) => input));
      for (const [index, one] of batch.entries()) one.#resolve(answers[index] as Answer);
    } catch (error) {
      for (const one of batch) one.#reject(error);
    }
  }
}
