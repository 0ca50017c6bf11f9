// The rules of others behind a plain endpoint: node batching-rivals.js CONFIGURATION
import { AppException, endpoint, type RequestContext } from "servable";
import { Answer, Item } from "../item.ts";
import { Refusal, type Rule } from "../rivals/rule.ts";
import { createRule } from "../rivals/rules.ts";
import { batchCost } from "../shape.ts";
import { BatchServer, configuration, serveBatches } from "./batching-executor.ts";

/** Answers by a rival's rule. */
export class Rival extends BatchServer {
  #rule!: Rule;

  override async setup(): Promise<void> {
    await super.setup();
    const { rule, shape, executors, hasDeadline } = configuration;
    if (rule === "ours") throw new Error("Ours is another program.");
    this.#rule = createRule(rule, {
      maxSize: shape.maxSize,
      executors,
      deadlineMs: hasDeadline ? shape.deadlineMs : Infinity,
      cost: (size) => batchCost(shape, size),
      run: (inputs) => this.run(inputs),
    });
  }

  @endpoint("/", { input: Item, output: Answer })
  async answer(input: Item, ctx: RequestContext): Promise<Answer> {
    try {
      return await this.#rule.submit(input);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      ctx.setHeader("retry-after", String(error.retryAfterSeconds));
      throw new AppException(error.message, 429, { cause: error });
    }
  }
}

await serveBatches(new Rival());
