import { ApplicationAuthMode, type AliasInfo } from "../../platform/generated/controller_pb.ts";
import {
  allSettings,
  keptSettings,
  scaleDifference,
  type ScaleChange,
} from "../../platform/apps/scale-difference.ts";
import type { Deployment } from "../../platform/deployment/deploy-request.ts";
import { isConfirmed } from "../platform/confirmation.ts";
import { styleFor } from "../style.ts";

/** Options of {@link checkDeployment}. */
export interface DeploymentCheck {
  readonly deployment: Omit<Deployment, "image">;
  /** The app before the deployment; undefined if it is new. */
  readonly current: AliasInfo | undefined;
  /** Continue without asking. */
  readonly isSure: boolean;
  readonly signal: AbortSignal;
}

/**
 * Prints the settings that a deployment changes (for a new app, all settings), and asks whether to continue. Resolves
 * to the answer.
 * @throws UsageError if there is no terminal to ask on
 */
export async function checkDeployment(check: DeploymentCheck): Promise<boolean> {
  const { deployment, current, isSure, signal } = check;
  const { bold, dim } = styleFor(process.stderr);
  const print = (text: string): void => void process.stderr.write(`${text}\n`);
  const { appName, environment = "main", machine = {}, resetScale = false } = deployment;
  print(`${bold("target:")} ${appName} in ${environment}, at ${current?.revision || "no revision yet"}`);
  print(`${bold("who may call it:")} ${authText(current, deployment.auth)}`);
  print(`${bold("strategy:")} ${deployment.strategy ?? "rolling"}`);
  if (current === undefined) {
    print(bold(`${appName} is new; it gets:`));
    printChanges(allSettings(machine), ({ setting, to }) => [setting, to]);
  } else {
    const changes = scaleDifference(current, machine, resetScale);
    const none = changes.length === 0;
    print(bold(`${appName} is there already; ${none ? "no setting of its scale changes." : "changes:"}`));
    printChanges(changes, ({ setting, from, to }) => [setting, `${dim(from)} → ${to}`]);
    const kept = resetScale ? [] : keptSettings(current, machine);
    if (kept.length > 0)
      print(bold("It keeps, where the code says otherwise (--reset-scale takes the code's):"));
    printChanges(kept, ({ setting, from, to }) => [setting, `${from} ${dim(`(code: ${to})`)}`]);
  }
  return isSure || isConfirmed({ warning: "--check asks before it continues.", text: "confirm" }, { signal });
}

function printChanges(
  changes: readonly ScaleChange[],
  cells: (change: ScaleChange) => readonly [setting: string, text: string],
): void {
  const width = Math.max(...changes.map(({ setting }) => setting.length));
  for (const change of changes) {
    const [setting, text] = cells(change);
    process.stderr.write(`  ${setting.padEnd(width)}  ${text}\n`);
  }
}

function authText(current: AliasInfo | undefined, next: string | undefined): string {
  const now = current === undefined ? undefined : ApplicationAuthMode[current.authMode]?.toLowerCase();
  if (now === undefined) return next ?? "private";
  return next === undefined || next === now ? now : `${now} → ${next}`;
}
