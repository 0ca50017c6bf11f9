import type { AliasInfo } from "../../platform/generated/controller_pb.ts";
import type { MachineSettings } from "../../platform/apps/machine-requirements.ts";
import { scaleDifference } from "../../platform/apps/scale-difference.ts";
import { isConfirmed } from "../platform/confirmation.ts";
import { styleFor } from "../style.ts";

/** What {@link checkScale} goes by. */
export interface ScaleCheck {
  readonly appName: string;
  readonly current: AliasInfo | undefined;
  readonly next: MachineSettings;
  readonly resetScale: boolean;
  /** Go on without asking. */
  readonly isSure: boolean;
  readonly signal: AbortSignal;
}

/**
 * Shows what a deployment changes of an app's scale, and asks whether to go on; resolves to the answer.
 * @throws UsageError when there is something to ask and no terminal to ask on
 */
export async function checkScale(check: ScaleCheck): Promise<boolean> {
  const { appName, current, next, resetScale, isSure } = check;
  const changes = scaleDifference(current, next, resetScale);
  const { bold, dim } = styleFor(process.stderr);
  const what = current === undefined ? `${appName} is new` : `${appName} is there already`;
  if (changes.length === 0) {
    process.stderr.write(`${what}; no setting of its scale changes.\n`);
    return true;
  }
  const width = Math.max(...changes.map(({ setting }) => setting.length));
  const than = current === undefined ? "other than the control plane's own settings:" : "changes:";
  process.stderr.write(`${bold(`${what}; ${than}`)}\n`);
  for (const { setting, from, to } of changes) {
    process.stderr.write(`  ${setting.padEnd(width)}  ${dim(from)} → ${to}\n`);
  }
  return (
    isSure ||
    isConfirmed({ warning: "--check asks before it goes on.", text: "confirm" }, { signal: check.signal })
  );
}
