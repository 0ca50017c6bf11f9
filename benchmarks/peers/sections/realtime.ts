import { encode } from "@msgpack/msgpack";
import { progress } from "../../lib/benchmark.ts";
import { PROMPT, REALTIME } from "../products.ts";
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

const NOTE = encode({
  ...{ prompt: "a lighthouse in a storm, oil on canvas", strength: 0.75 },
  ...{ seed: 1234, tags: ["sea", "night"] },
});

/** An echo of MessagePack on 16 sockets, with one and with eight messages under way on each. */
export async function measureRealtime(context: SectionContext): Promise<void> {
  await using set = await ServerSet.start(context, REALTIME, { body: PROMPT, core: SERVER_CORE });
  const load = { mode: "ws", conns: 16, body: NOTE, core: LOAD_CORE } as const;
  for (const server of set.servers) {
    await server.load({ ...load, window: 8, secs: seconds(context, 2), warm: 0.1 });
  }
  for (let round = 0; round < rounds(context, 5); round++) {
    progress(`realtime, round ${round + 1}`);
    for (const server of inRound(set.servers, round)) {
      for (const window of [8, 1]) {
        const result = await server.load({ ...load, window, secs: seconds(context, 1.5), warm: 0.2 });
        const parameters = { window, round };
        const figures = figuresOf(result);
        context.record({ section: "realtime", kind: "echo", product: server.name, parameters, figures });
      }
    }
  }
}
