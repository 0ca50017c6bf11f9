/** A device of this machine. */
export interface Gpu {
  /** Identifies it for CUDA and for container engines: its UUID, or its number. */
  readonly id: string;
  /** For people: `NVIDIA A100`. */
  readonly name: string;
}
