import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";

/** The kernel counts processor time in ticks of 10 ms. */
const TICKS_PER_SECOND = 100;

/** The processor time of the whole machine since an object's creation. */
export class MachineUsage {
  readonly #begin = performance.now();
  readonly #busyAtBegin = busySeconds();
  readonly #ownAtBegin = process.cpuUsage();

  /** The number of cores that processes other than this one and the measured server used. */
  foreignCpu(serverSeconds: number): number {
    const { user, system } = process.cpuUsage(this.#ownAtBegin);
    const foreign = busySeconds() - this.#busyAtBegin - serverSeconds - (user + system) / 1e6;
    return Math.max(0, foreign / ((performance.now() - this.#begin) / 1000));
  }
}

function busySeconds(): number {
  const line = readFileSync("/proc/stat", "utf8").split("\n")[0] ?? "";
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND;
}
