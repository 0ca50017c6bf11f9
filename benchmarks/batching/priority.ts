import { constants, setPriority } from "node:os";

/**
 * Asks for more of the processor than other programs get, for this thread and those it starts: what else the machine
 * does would be taken for the server's or the generator's lateness. Most users may not; then everything stays as it is.
 */
export function takePriority(): void {
  try {
    setPriority(constants.priority.PRIORITY_HIGHEST);
  } catch {
    // not allowed
  }
}
