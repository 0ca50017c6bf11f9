import type { MachineSettings } from "../../platform/apps/machine-requirements.ts";
import { keptSettings } from "../../platform/apps/scale-difference.ts";
import type { Deployment } from "../../platform/deployment/deploy-request.ts";
import type { AliasInfo } from "../../platform/generated/controller_pb.ts";
import type { Deployable } from "./deployable.ts";

/** The command that serves the same class on this machine; undefined for an image. */
export function runHint({ file }: Pick<Deployable, "file">): string | undefined {
  return file === undefined ? undefined : `servable run ${file}`;
}

/** The note before the first deployment of an app. */
export function firstDeployTip(
  { appName, environment }: Pick<Deployment, "appName" | "environment">,
  hint: string | undefined,
): string {
  const where = environment === undefined ? "" : ` to ${environment}`;
  const first = `Tip: this is the first deployment of ${appName}${where}.`;
  if (hint === undefined) return `${first} Its runners are listed by "servable apps runners ${appName}".\n`;
  return `${first} "${hint}" serves it here, and shows errors of imports and of setup() before runners crash of them.\n`;
}

/** The note after a deployment that kept the scale of an existing app. */
export function inheritedNote(current: AliasInfo | undefined, code: MachineSettings): string {
  const kept = current === undefined ? [] : keptSettings(current, code);
  const values = kept.map(({ setting, from, to }) => `${setting} ${from}, not ${to}`).join("; ");
  return (
    "Note: the scale (keepAlive, minConcurrency, …) is inherited from the deployment before" +
    `${values === "" ? "" : ` (${values} as in the code)`}; --reset-scale takes that of the code.\n`
  );
}

/** The note after a deployment with `--detach`. */
export function detachedNote({ appName, environment }: Pick<Deployment, "appName" | "environment">): string {
  const env = environment === undefined ? "" : ` --env ${environment}`;
  return (
    "The rollout continues: the new revision gets requests while its runners start, and a rollout that fails is not undone.\n" +
    `  progress   servable apps runners ${appName}${env}\n` +
    `  roll back  servable apps set-revision ${appName} REVISION${env}\n`
  );
}
