import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { S1 } from "../../batching/shape.ts";
import { progress } from "../../lib/benchmark.ts";
import { PeerServer } from "../peer-server.ts";
import { BATCHING, BATCHING_WITH_LIMIT, BATCHING_WITHOUT_DEADLINE, ITEM, type Product } from "../products.ts";
import { figuresOf } from "../sample.ts";
import { seconds, type SectionContext } from "../section.ts";

const RATES = [30, 100, 300, 450, 510, 600, 900, 1800];
const OVERLOAD_RATES = [510, 900, 1800];
const CLIENTS = [8, 48];
const QUICK_RATES = 2;

/** Batches that sleep 20 + n ms, at most 64 items, deadline 100 ms: rising Poisson rates, and closed loops. */
export async function measureBatching(context: SectionContext): Promise<void> {
  const plans: readonly [readonly Product[], readonly number[], readonly number[]][] = [
    [BATCHING, CLIENTS, RATES],
    [BATCHING_WITHOUT_DEADLINE, CLIENTS, []],
    [BATCHING_WITH_LIMIT, [], OVERLOAD_RATES],
  ];
  for (const [products, clients, rates] of plans) {
    for (const product of products.filter(({ name }) => context.wants(name))) {
      const log = new BatchLog();
      try {
        await measureProduct(
          context,
          product,
          log,
          clients,
          context.quick ? rates.slice(-QUICK_RATES) : rates,
        );
      } catch (error) {
        context.fail(product.name, error);
      } finally {
        log.remove();
      }
    }
  }
}

async function measureProduct(
  context: SectionContext,
  product: Product,
  log: BatchLog,
  clients: readonly number[],
  rates: readonly number[],
): Promise<void> {
  progress(`batching, ${product.name}`);
  const env = { BATCH_LOG: log.path };
  await using server = await PeerServer.start(product, {
    ...{ generator: context.generator, body: ITEM, env },
    check: (answer) => assert.match(answer, /\b10000000\b/, "The answer does not contain the item's number."),
  });
  // Warms up the code, and what a product learns about the duration of batches.
  await server.load({ mode: "closed", conns: 32, secs: seconds(context, 2.5), warm: 0.2, numbered: true });
  for (const conns of clients) {
    log.clear();
    const timing = { secs: seconds(context, 4), warm: seconds(context, 1.5) };
    const result = await server.load({ mode: "closed", conns, numbered: true, ...timing });
    record("closed", { clients: conns }, { ...figuresOf(result), ...log.figures() });
  }
  for (const rate of rates) {
    log.clear();
    const result = await server.load({
      ...{ mode: "open", conns: Math.round(32 + rate * 0.11), rate, seed: 11, numbered: true },
      ...{ secs: seconds(context, rate < 60 ? 8 : 6), warm: seconds(context, 2) },
    });
    record("open", { rate }, { ...figuresOf(result), ...log.figures() });
    // A queue that has built up would be measured as part of the next rate.
    const isBehind = result.unanswered > 0 || result.p50 > 4 * S1.deadlineMs;
    if (isBehind && !context.quick) await sleep(Math.min(8000, (result.requests - result.ok) * 1.5));
  }

  function record(kind: string, parameters: Record<string, number>, figures: Record<string, number>): void {
    context.record({ section: "batching", kind, product: product.name, parameters, figures });
  }
}

/** The file in which a server notes the start, the size and the duration of each batch. */
class BatchLog {
  readonly path: string;
  readonly #folder: string;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "servable-peers-"));
    this.path = join(this.#folder, "batches");
  }

  clear(): void {
    writeFileSync(this.path, "");
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  /** Mean size, and how much longer than planned a batch slept, of the last two thirds: the first is warm-up. */
  figures(): { batchSize: number; batchOvertimeMs: number } | Record<string, never> {
    const batches = readFileSync(this.path, "utf8")
      .split("\n")
      .map((line) => line.split(" ").map(Number))
      .filter(({ length }) => length === 3)
      .map(([, size = 0, ms = 0]) => ({ size, overtimeMs: ms - S1.baseMs - S1.perItemMs * size }));
    const measured = batches.slice(Math.floor(batches.length / 3));
    if (measured.length === 0) return {};
    const mean = (value: (batch: (typeof measured)[number]) => number): number =>
      measured.reduce((sum, batch) => sum + value(batch), 0) / measured.length;
    return { batchSize: mean(({ size }) => size), batchOvertimeMs: mean(({ overtimeMs }) => overtimeMs) };
  }
}
