import type { NpmEnvironmentInfo } from "../environments/environment-list.ts";
import type { TerminalStyle } from "./style.ts";
import { bytesText } from "../output/byte-amount.ts";
import { agoText } from "./amount-texts.ts";

/** Describes an environment in two lines: its name and its facts. */
export function environmentLines(info: NpmEnvironmentInfo, { bold, dim, yellow }: TerminalStyle): string[] {
  const { key, state, node, sizeBytes, createdAt, lastUsedAt, users } = info;
  const facts = [
    contentOf(info),
    node === undefined ? undefined : `Node ${node.split(".")[0]}`,
    bytesText(sizeBytes),
    createdAt === undefined ? undefined : `made ${agoText(createdAt)}`,
    lastUsedAt === undefined ? undefined : `used ${agoText(lastUsedAt)}`,
    users === 0 ? undefined : `in use by ${users} process${users === 1 ? "" : "es"}`,
  ].filter((fact) => fact !== undefined && fact !== "");
  const title = state === "ready" ? bold(key) : `${bold(key)} ${yellow(`(${state})`)}`;
  return [title, `  ${dim(facts.join(" · "))}`];
}

/** The number of environments and their total size: "2 environments, 1.5 MB". */
export function sumOf(environments: readonly NpmEnvironmentInfo[]): string {
  const size = environments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const count = environments.length;
  return `${count} environment${count === 1 ? "" : "s"}, ${bytesText(size)}`;
}

function contentOf({ requirements, lockfile, state }: NpmEnvironmentInfo): string {
  const steps = requirements.map((step) => step.join(", "));
  if (lockfile !== undefined) steps.unshift(lockfile);
  return steps.join(" → ") || (state === "ready" ? "no requirements" : "");
}
