import type { Logger } from "pino";
import type { Engines } from "../engines/engines.ts";
import type { KeyRing } from "../gateway/key-ring.ts";
import type { RunnerLogs } from "../logs/runner-logs.ts";
import type { MachineRoom } from "../scheduler/machine-room.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import type { FileStore } from "../state/files.ts";
import type { MachineTypes } from "../state/machine-types.ts";
import type { SecretBox } from "../state/secrets.ts";
import type { Database } from "../store/database.ts";

/** The parts that the service needs. */
export interface ControlServiceParts {
  readonly database: Database;
  readonly scheduler: Scheduler;
  readonly engines: Engines;
  readonly machine: MachineRoom;
  readonly machineTypes: MachineTypes;
  readonly files: FileStore;
  readonly logs: RunnerLogs;
  readonly secrets: SecretBox;
  readonly keys: KeyRing;
  readonly owner: string;
  /** The address of the platform, as its callers reach it. */
  readonly publicUrl: () => string;
  readonly log: Logger;
}
