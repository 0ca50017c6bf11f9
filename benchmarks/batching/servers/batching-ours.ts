// The same work behind a batched endpoint, with no numbers but the size and the deadline: node batching-ours.js CONFIGURATION
import { endpoint } from "servable";
import { Answer, Item } from "../item.ts";
import { BatchServer, configuration, serveBatches } from "./batching-executor.ts";

const { shape, executors, hasDeadline } = configuration;

/** Answers in batches. */
export class Batched extends BatchServer {
  @endpoint("/", {
    input: Item,
    output: Answer,
    batch: { maxSize: shape.maxSize },
    maxConcurrency: executors,
    ...(hasDeadline ? { timeoutMs: shape.deadlineMs } : {}),
  })
  answers(inputs: Item[]): Promise<Answer[]> {
    return this.run(inputs);
  }
}

await serveBatches(new Batched());
