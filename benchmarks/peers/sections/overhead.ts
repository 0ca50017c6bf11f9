import assert from "node:assert/strict";
import { progress } from "../../lib/benchmark.ts";
import { median } from "../../lib/statistics.ts";
import { OVERHEAD, PICTURE, PROMPT, type Product } from "../products.ts";
import { figuresOf } from "../sample.ts";
import {
  inRound,
  LOAD_CORE,
  rounds,
  seconds,
  SERVER_CORE,
  ServerSet,
  type SectionContext,
} from "../section.ts";

/** Products that are measured side by side. Fastify and Servable are in each group, as the measure of the others. */
const GROUPS = [
  { names: ["fastify", "servable", "node:http", "hono", "nest", "express", "elysia"], rounds: 7, secs: 1.3 },
  { names: ["fastify", "servable", "fal", "fastapi", "litserve", "bentoml", "mosec"], rounds: 4, secs: 1.5 },
  { names: ["fastify", "servable", "ray"], rounds: 3, secs: 2 },
] as const;

/** Checks that an answer is that of all products. */
export function checkPicture(answer: string): void {
  assert.deepEqual(JSON.parse(answer), PICTURE, "The answer is not that of the other products.");
}

/** JSON in and out with six validated fields: 32 clients at full speed, then Poisson at half of each product's rate. */
export async function measureOverhead(context: SectionContext): Promise<void> {
  for (const [index, group] of GROUPS.entries()) {
    const products = OVERHEAD.filter(({ name }) => (group.names as readonly string[]).includes(name));
    const others = products.filter(({ name }) => index === 0 || !["fastify", "servable"].includes(name));
    if (others.some(({ name }) => context.wants(name))) await measureGroup(context, index, products, group);
  }
}

async function measureGroup(
  context: SectionContext,
  group: number,
  products: readonly Product[],
  plan: (typeof GROUPS)[number],
): Promise<void> {
  await using set = await ServerSet.start(context, products, {
    ...{ body: PROMPT, core: SERVER_CORE, check: checkPicture },
  });
  const load = { conns: 32, core: LOAD_CORE };
  for (const server of set.servers) {
    await server.load({ mode: "closed", ...load, secs: seconds(context, 3), warm: 0 });
  }
  const rates = new Map(set.servers.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds(context, plan.rounds); round++) {
    progress(`overhead, group ${group + 1}, round ${round + 1}`);
    for (const server of inRound(set.servers, round)) {
      const secs = seconds(context, plan.secs);
      const result = await server.load({ mode: "closed", ...load, secs, warm: 0.15 });
      rates.get(server.name)?.push(result.rps);
      record("closed", server.name, round, figuresOf(result));
    }
  }
  for (let round = 0; round < rounds(context, 2); round++) {
    for (const server of set.servers) {
      const rate = Math.max(1, Math.round(median(rates.get(server.name) ?? []) / 2));
      const timing = { secs: seconds(context, 3), warm: 0.3 };
      const open = { mode: "open", conns: 64, core: LOAD_CORE, rate, seed: round + 1, ...timing } as const;
      record("half", server.name, round, { ...figuresOf(await server.load(open)), rate });
    }
  }

  function record(kind: string, product: string, round: number, figures: Record<string, number>): void {
    context.record({ section: "overhead", kind, product, parameters: { group, round }, figures });
  }
}
