import type { Gpu } from "../state/gpus.ts";
import { sizeText, type Need } from "../state/machine-types.ts";

/** Memory and devices of a machine for runners. */
export interface MachineSize {
  readonly memoryBytes: number;
  readonly gpus: readonly Gpu[];
}

interface Part {
  readonly memoryBytes: number;
  readonly gpus: readonly Gpu[];
}

/**
 * The memory and the devices of this machine, and which runner has which. A runner has the memory of its machine type from
 * its start to its end, whatever it uses. A device belongs to one runner at a time.
 */
export class MachineRoom {
  readonly size: MachineSize;
  /** By the id of the runner. */
  readonly #parts = new Map<string, Part>();

  constructor(size: MachineSize) {
    this.size = size;
  }

  /** Gives a runner what it needs. @returns its devices; undefined if there is not enough left */
  take(id: string, need: Need): readonly Gpu[] | undefined {
    const held = this.#parts.get(id);
    if (held !== undefined) return held.gpus;
    if (this.shortage(need) !== undefined) return undefined;
    const gpus = this.#freeGpus(new Set()).slice(0, need.gpus);
    this.#parts.set(id, { memoryBytes: need.memoryBytes ?? 0, gpus });
    return gpus;
  }

  /** Records what a runner of an earlier process has, also if it is more than this machine has now. */
  restore(id: string, need: Need, gpuIds: readonly string[]): void {
    const gpus = gpuIds.map(
      (each) => this.size.gpus.find((gpu) => gpu.id === each) ?? { id: each, name: each },
    );
    this.#parts.set(id, { memoryBytes: need.memoryBytes ?? 0, gpus });
  }

  /** A runner has ended. */
  free(id: string): void {
    this.#parts.delete(id);
  }

  /** Whether a runner has got its part. */
  has(id: string): boolean {
    return this.#parts.has(id);
  }

  /** The runner that has each device; undefined for a free one. */
  holders(): readonly { readonly gpu: Gpu; readonly runner: string | undefined }[] {
    const parts = [...this.#parts];
    return this.size.gpus.map((gpu) => ({
      gpu,
      runner: parts.find(([, part]) => part.gpus.some(({ id }) => id === gpu.id))?.[0],
    }));
  }

  get freeMemoryBytes(): number {
    return this.#freeMemory(new Set());
  }

  get freeGpus(): number {
    return this.#freeGpus(new Set()).length;
  }

  /**
   * For people: what a runner lacks now; undefined if it fits.
   * @param without the ids of runners that are counted as ended
   */
  shortage(need: Need, without: ReadonlySet<string> = new Set()): string | undefined {
    const gpus = this.#freeGpus(without).length;
    if (need.gpus > gpus) {
      const { length } = this.size.gpus;
      return `it needs ${gpuText(need.gpus)}: ${gpus} of ${length} ${gpus === 1 ? "is" : "are"} free`;
    }
    const memory = this.#freeMemory(without);
    if ((need.memoryBytes ?? 0) <= memory) return undefined;
    return `no memory left: machine type ${need.machineTypes} needs ${sizeText(need.memoryBytes ?? 0)}, ${sizeText(Math.max(0, memory))} of ${sizeText(this.size.memoryBytes)} are free`;
  }

  /** For people: why a runner can never run here; undefined if it can. */
  refusal({ gpus, memoryBytes = 0, machineTypes }: Need): string | undefined {
    const { length } = this.size.gpus;
    if (gpus > length) {
      return `it needs ${gpuText(gpus)}, and this platform has ${length === 0 ? "none" : length}: see "servable up --gpus"`;
    }
    if (memoryBytes <= this.size.memoryBytes) return undefined;
    return `machine type ${machineTypes} has ${sizeText(memoryBytes)} of memory, and this platform has ${sizeText(this.size.memoryBytes)} for all runners: see "servable up --memory"`;
  }

  #freeMemory(without: ReadonlySet<string>): number {
    return this.size.memoryBytes - this.#sum(without);
  }

  #sum(without: ReadonlySet<string>): number {
    let sum = 0;
    for (const [id, { memoryBytes }] of this.#parts) if (!without.has(id)) sum += memoryBytes;
    return sum;
  }

  #freeGpus(without: ReadonlySet<string>): readonly Gpu[] {
    const taken = new Set<string>();
    for (const [id, { gpus }] of this.#parts) if (!without.has(id)) gpus.forEach((gpu) => taken.add(gpu.id));
    return this.size.gpus.filter(({ id }) => !taken.has(id));
  }
}

function gpuText(count: number): string {
  return `${count} ${count === 1 ? "GPU" : "GPUs"}`;
}
