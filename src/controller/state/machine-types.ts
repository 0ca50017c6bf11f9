const MB = 1_000_000;

/** The memory of each machine type without a GPU, in bytes. */
const MEMORY: Readonly<Record<string, number>> = {
  XS: 512 * MB,
  S: 1_000 * MB,
  M: 2_000 * MB,
  L: 8_000 * MB,
};

/** The memory that a runner of these machine types may use, in bytes: the most of them. Undefined if one has no limit. */
export function memoryLimit(machineTypes: readonly string[]): number | undefined {
  const limits = machineTypes.map((type) =>
    Object.hasOwn(MEMORY, type) ? (MEMORY[type] as number) : Infinity,
  );
  const limit = Math.max(0, ...limits);
  return limit > 0 && limit < Infinity ? limit : undefined;
}
