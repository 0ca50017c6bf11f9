import { setTimeout as sleep } from "node:timers/promises";
import { progress } from "../../lib/benchmark.ts";
import { PeerServer } from "../peer-server.ts";
import { OVERHEAD, PROMPT } from "../products.ts";
import { MachineUsage } from "../machine-usage.ts";
import { rounds, type SectionContext } from "../section.ts";
import { checkPicture } from "./overhead.ts";

const CONNECTIONS = 1000;
const STARTS = 5;
const IDLE_SECONDS = 3;

/** The start of the process to the first answer, memory when idle, and memory with 1,000 connections. */
export async function measureStart(context: SectionContext): Promise<void> {
  for (const product of OVERHEAD.filter(({ name }) => context.wants(name))) {
    progress(`start, ${product.name}`);
    try {
      for (let round = 0; round < rounds(context, STARTS); round++) {
        const machine = new MachineUsage();
        await using server = await PeerServer.start(product, {
          ...{ generator: context.generator, body: PROMPT, check: checkPicture },
        });
        const foreignCpu = machine.foreignCpu(server.cpuSeconds());
        record(product.name, "start", round, { seconds: server.startSeconds, foreignCpu });
        if (round === 0) await measureMemory(server);
      }
    } catch (error) {
      context.fail(product.name, error);
    }
  }

  async function measureMemory(server: PeerServer): Promise<void> {
    await sleep(1000);
    const idle = server.memory();
    const before = server.cpuSeconds();
    const idleSeconds = context.quick ? 1 : IDLE_SECONDS;
    await sleep(idleSeconds * 1000);
    const idleCpuPercent = ((server.cpuSeconds() - before) / idleSeconds) * 100;
    const busy = await server.memoryWithConnections(CONNECTIONS);
    record(server.name, "memory", 0, {
      ...{ processes: server.processes(), idleMb: idle.proportional, idleCpuPercent },
      ...{ connectedMb: busy.proportional, held: busy.held },
    });
  }

  function record(product: string, kind: string, round: number, figures: Record<string, number>): void {
    context.record({ section: "start", kind, product, parameters: { round }, figures });
  }
}
