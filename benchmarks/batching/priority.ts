import { constants, setPriority } from "node:os";

/**
 * Raises the priority of this thread and those it starts over other programs, whose work would otherwise
 * look like lateness of the server or the generator. Without the permission, the priority stays as it is.
 */
export function takePriority(): void {
  try {
    setPriority(constants.priority.PRIORITY_HIGHEST);
  } catch {
    // not allowed
  }
}
