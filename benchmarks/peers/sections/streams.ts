import { progress } from "../../lib/benchmark.ts";
import { STREAMS } from "../products.ts";
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

const BURST = '{"count":50,"delay":0}';
const PACED = '{"count":50,"delay":20}';
const PACED_ROUNDS = 2;

/** Server-sent events: 200 streams of 50 items, all at once, and one item every 20 ms. */
export async function measureStreams(context: SectionContext): Promise<void> {
  await using set = await ServerSet.start(context, STREAMS, { body: BURST, core: SERVER_CORE });
  const load = { mode: "sse", conns: 200, core: LOAD_CORE } as const;
  for (const server of set.servers) await server.load({ ...load, secs: seconds(context, 2), warm: 0.2 });
  for (let round = 0; round < rounds(context, 4); round++) {
    progress(`streams, round ${round + 1}`);
    for (const server of inRound(set.servers, round)) {
      const record = (kind: string, figures: Record<string, number>): void =>
        context.record({ section: "streams", kind, product: server.name, parameters: { round }, figures });
      const burst = { ...load, body: BURST, secs: seconds(context, 2), warm: 0.3 };
      record("burst", figuresOf(await server.load(burst)));
      if (round >= PACED_ROUNDS) continue;
      // A stream lasts a second, so the shortest measurement is two.
      const paced = { ...load, body: PACED, secs: context.quick ? 2 : 3, warm: context.quick ? 0.5 : 2 };
      record("paced", figuresOf(await server.load(paced)));
    }
  }
}
