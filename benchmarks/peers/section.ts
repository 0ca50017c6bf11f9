import { progress } from "../lib/benchmark.ts";
import type { LoadGenerator } from "./load.ts";
import { PeerServer, type StartOptions } from "./peer-server.ts";
import type { Product } from "./products.ts";
import type { Sample } from "./sample.ts";

/** The core of a pinned server, and that of the load generator beside it. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

const QUICK_SECONDS = 0.5;

/** The load generator, the options and the sinks of a section. */
export interface SectionContext {
  readonly generator: LoadGenerator;
  /** Whether to show only that everything runs. */
  readonly quick: boolean;
  /** Whether a product is to be measured. */
  wants(name: string): boolean;
  record(sample: Sample): void;
  /** Notes that a product could not be measured. */
  fail(name: string, error: unknown): void;
}

/** A duration in seconds, which `--quick` shortens. */
export function seconds(context: SectionContext, full: number): number {
  return context.quick ? Math.min(full, QUICK_SECONDS) : full;
}

/** A number of rounds, which `--quick` reduces to one. */
export function rounds(context: SectionContext, full: number): number {
  return context.quick ? 1 : full;
}

/** The products in the order of a round: every second round is backwards, so that a drift affects all alike. */
export function inRound<T>(items: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? items : items.toReversed();
}

/** Servers that are measured in alternating rounds. */
export class ServerSet implements AsyncDisposable {
  readonly servers: readonly PeerServer[];

  private constructor(servers: readonly PeerServer[]) {
    this.servers = servers;
  }

  /** Starts the wanted products. A product that does not start is noted and left out. */
  static async start(
    context: SectionContext,
    products: readonly Product[],
    options: Omit<StartOptions, "generator">,
  ): Promise<ServerSet> {
    const servers: PeerServer[] = [];
    for (const product of products.filter(({ name }) => context.wants(name))) {
      progress(`starting ${product.name}`);
      try {
        servers.push(await PeerServer.start(product, { ...options, generator: context.generator }));
      } catch (error) {
        context.fail(product.name, error);
      }
    }
    return new ServerSet(servers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
  }
}
