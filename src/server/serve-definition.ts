import type { ServerDefinition } from "./definition.ts";

/** What serving needs to know beside how to answer requests. */
export interface ServeDefinition extends ServerDefinition {
  handleExit(): unknown;
  readonly metricsPort: number | undefined;
  readonly startupTimeoutMs: number;
  readonly terminationGraceMs: number;
}
