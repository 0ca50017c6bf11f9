import { progress } from "../../lib/benchmark.ts";
import { PeerServer } from "../peer-server.ts";
import { WORKERS } from "../products.ts";
import { figuresOf } from "../sample.ts";
import { seconds, type SectionContext } from "../section.ts";

/** A handler that computes for about 10 ms, in a number of worker processes, for one client and for 32. */
export async function measureWorkers(context: SectionContext): Promise<void> {
  for (const { name, counts, rounds, product } of WORKERS.filter(({ name }) => context.wants(name))) {
    for (const workers of context.quick ? counts.slice(0, 2) : counts) {
      progress(`workers, ${name} with ${workers}`);
      try {
        const body = JSON.stringify({ rounds });
        await using server = await PeerServer.start(product(workers), { generator: context.generator, body });
        await server.load({ mode: "closed", conns: 32, secs: seconds(context, 1.5), warm: 0.3 });
        const one = await server.load({ mode: "closed", conns: 1, secs: seconds(context, 1.5), warm: 0.2 });
        const all = await server.load({ mode: "closed", conns: 32, secs: seconds(context, 4), warm: 0.5 });
        const figures = { ...figuresOf(all), oneClientP50: one.p50, memoryMb: server.memory().proportional };
        context.record({
          section: "workers",
          kind: "compute",
          product: name,
          parameters: { workers },
          figures,
        });
      } catch (error) {
        context.fail(`${name} with ${workers} workers`, error);
      }
    }
  }
}
