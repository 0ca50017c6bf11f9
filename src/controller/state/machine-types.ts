const MB = 1_000_000;

/** The limits and devices of a runner of a machine type. */
export interface MachineType {
  /** The most memory that it may use, in MB (1,000,000 bytes); absent for no limit. */
  readonly memoryMb?: number;
  /** The most processors that it may use at a time; absent for no limit. Enforced in containers. */
  readonly cpus?: number;
  /** The devices of a runner whose app does not say `numGpus`. */
  readonly gpus?: number;
}

/** The needs of a runner. */
export interface Need {
  /** Undefined for no limit. */
  readonly memoryBytes: number | undefined;
  readonly cpus: number | undefined;
  readonly gpus: number;
  /** For messages: the names of the machine types. */
  readonly machineTypes: string;
}

/** The machine types that every platform has. */
const DEFAULT_TYPES: Readonly<Record<string, MachineType>> = {
  XS: { memoryMb: 512 },
  S: { memoryMb: 1_000 },
  M: { memoryMb: 2_000 },
  L: { memoryMb: 8_000 },
};

/** The machine types of a platform, and the needs of their runners. */
export class MachineTypes {
  readonly #types: ReadonlyMap<string, MachineType>;

  /** @param own types of the platform, besides the default ones or instead of them */
  constructor(own: Readonly<Record<string, MachineType>> = {}) {
    this.#types = new Map(Object.entries({ ...DEFAULT_TYPES, ...own }));
  }

  /**
   * The needs of a runner of these types: the most of them. A type that is not known has no limits, and one device if its
   * name begins with "GPU".
   */
  needOf(machineTypes: readonly string[], numGpus: number): Need {
    const types = machineTypes.map(
      (name) => this.#types.get(name) ?? { gpus: name.startsWith("GPU") ? 1 : 0 },
    );
    const memoryMb = mostOf(types.map((type) => type.memoryMb));
    return {
      memoryBytes: memoryMb === undefined ? undefined : memoryMb * MB,
      cpus: mostOf(types.map(({ cpus }) => cpus)),
      gpus: numGpus > 0 ? numGpus : Math.max(0, ...types.map(({ gpus = 0 }) => gpus)),
      machineTypes: machineTypes.join(", "),
    };
  }
}

/** Undefined if one has no limit. */
function mostOf(limits: readonly (number | undefined)[]): number | undefined {
  const known = limits.filter((limit) => limit !== undefined);
  return known.length < limits.length || known.length === 0 ? undefined : Math.max(...known);
}

/** A size for people: `512 MB`, `7.5 GB`. */
export function sizeText(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${Number((bytes / 1e9).toFixed(1))} GB`;
}
