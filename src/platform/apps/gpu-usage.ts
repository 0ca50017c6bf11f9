import { PlatformError, UsageError } from "../../errors.ts";
import type { PlatformSession } from "../transport/platform-session.ts";

/** GPUs that are in use. */
export interface GpuUsage {
  /** Number of GPUs by the short name of their kind: `{ H100: 8 }`. */
  readonly gpus: Readonly<Record<string, number>>;
  readonly total: number;
}

interface Metrics {
  readonly apps: Readonly<Record<string, unknown>>;
  readonly summary: unknown;
}

/** The GPUs that an app uses. Its name may include the owner: `me/web`. */
export async function appGpus(session: PlatformSession, appName: string): Promise<GpuUsage> {
  if (typeof appName !== "string" || appName.trim() === "") throw new UsageError("The app has no name.");
  const { apps } = await metricsOf(session);
  const nameOf = (text: string): string => text.slice(text.lastIndexOf("/") + 1);
  const ofName = Object.keys(apps).filter((key) => nameOf(key) === nameOf(appName));
  // A full name with the owner takes precedence.
  const found = appName.includes("/") && Object.hasOwn(apps, appName) ? [appName] : ofName;
  const [key] = found;
  if (key === undefined) throw new UsageError(`The control plane has no metrics of an app ${appName}.`);
  if (found.length > 1) {
    throw new UsageError(
      `Several apps have the name ${appName}: ${found.toSorted().join(", ")}. Name one in full.`,
    );
  }
  return usageOf(fieldOf(apps[key], "gpu_count_by_type"));
}

/** The GPUs that all runners together use. */
export async function runnersGpus(session: PlatformSession): Promise<GpuUsage> {
  const { summary } = await metricsOf(session);
  return usageOf(fieldOf(summary, "total_gpu_by_type"));
}

async function metricsOf(session: PlatformSession): Promise<Metrics> {
  const rest = await session.rest();
  const answer = await rest.json({ method: "GET", path: "/applications/metrics" });
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) {
    throw new PlatformError(
      "PLATFORM_REFUSED",
      "The control plane's metrics of apps have not the form that is known.",
    );
  }
  const apps = fieldOf(answer, "apps");
  return {
    apps: typeof apps === "object" && apps !== null ? (apps as Record<string, unknown>) : {},
    summary: fieldOf(answer, "summary"),
  };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

/**
 * Adds up the counts by kind of GPU. The control plane also lists machines without GPUs, and lists variants of a kind
 * separately.
 */
function usageOf(counts: unknown): GpuUsage {
  const gpus = new Map<string, number>();
  let total = 0;
  for (const [type, count] of Object.entries(typeof counts === "object" && counts !== null ? counts : {})) {
    if (typeof count !== "number" || count <= 0 || CPU_MACHINES.has(type)) continue;
    const name = gpuName(type);
    if (name === "") continue;
    gpus.set(name, (gpus.get(name) ?? 0) + count);
    total += count;
  }
  return { gpus: Object.fromEntries([...gpus].toSorted(([, a], [, b]) => b - a)), total };
}

const CPU_MACHINES: ReadonlySet<string> = new Set(["XS", "S", "M", "L", "XL"]);

/** The known kinds of GPU, each with a pattern that matches the names of its variants. */
const KINDS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\b(?:RTX.?5090|GPU-RTX5090)\b/i, "5090"],
  [/\b(?:A100|GPU-A100)\b/i, "A100"],
  [/\b(?:L40S?|GPU-L40)\b/i, "L40"],
  [/\b(?:H100|GPU-H100)\b/i, "H100"],
  [/\b(?:H200|GPU-H200)\b/i, "H200"],
  [/\b(?:B200|GPU-B200)\b/i, "B200"],
];

/** The short name of a kind: "H100" for "NVIDIA H100 80GB HBM3" and for "NVIDIA H100 80GB HBM3 MIG 3g.40gb". */
export function gpuName(type: string): string {
  const known = KINDS.find(([pattern]) => pattern.test(type))?.[1];
  if (known !== undefined) return known;
  const rtx = /RTX\s*(?:PRO\s*)?([A-Z]?\d{4}(?:\s+(?:Ti|Super|SUPER|Ada|XT))?)/.exec(type)?.[1];
  if (rtx !== undefined) return `RTX ${rtx}`;
  const mig = /\b([A-Z]\d{3,4})\b.*\bMIG\b/.exec(type)?.[1];
  if (mig !== undefined) return `${mig} MIG`;
  const model = /\b([A-Z]\d{2,4}\w?)\b/.exec(type)?.[1] ?? /\b(MI\d{3}\w*)\b/.exec(type)?.[1];
  return model ?? (type.length > 8 ? `${type.slice(0, 5)}...` : type);
}
