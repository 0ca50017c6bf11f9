// Shared by every server of the batching benchmark: executors of a known cost, and an endpoint that changes it.
import { App, endpoint } from "servable";
import { readConfiguration } from "../configuration.ts";
import { SyntheticExecutors } from "../executors.ts";
import { Control, Report, type Answer, type Item } from "../item.ts";
import { takePriority } from "../priority.ts";
import { announce } from "../../servers/announcement.ts";

/** The configuration of this server. */
export const configuration = readConfiguration();

/** The model: a batch of n takes `a + b·n` milliseconds. */
export abstract class BatchServer extends App {
  #executors!: SyntheticExecutors;

  override async setup(): Promise<void> {
    takePriority();
    const { shape, executors, noise } = configuration;
    this.#executors = await SyntheticExecutors.start({ shape, count: executors, noise });
  }

  /** Changes the cost of batches, and returns the work so far. */
  @endpoint("/control", { input: Control, output: Report })
  async control({ factor }: Control): Promise<Report> {
    this.#executors.factor = factor;
    return this.#executors.report();
  }

  /** Runs a batch. */
  protected async run(inputs: readonly Item[]): Promise<Answer[]> {
    await this.#executors.run(inputs.length);
    return inputs.map(({ seed }) => ({ seed }));
  }
}

/** Serves as in production. */
export async function serveBatches(server: BatchServer): Promise<void> {
  await server.serve({
    host: "127.0.0.1",
    port: 0,
    metricsPort: 0,
    onListening: ({ url }) => announce(url),
  });
}
