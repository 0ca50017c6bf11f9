import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** The identity of a process in a file, by which others check whether it still runs. */
export interface ProcessMark {
  /** Unique to the file. */
  readonly token: string;
  readonly pid: number;
  /** Start time of the process in the system's own format, because pids are reused. Absent if unknown. */
  readonly start?: string;
  /** Identifies the machine, its current boot, and the namespace of its pids. */
  readonly place: string;
}

let ownPlace: string | undefined;
let ownStart: string | undefined;

/** A mark of this process. */
export function createMark(): ProcessMark {
  ownStart ??= processState(process.pid)?.start;
  return markWith(process.pid, ownStart);
}

/** A mark of another process, which runs on this machine. */
export function markOf(pid: number): ProcessMark {
  return markWith(pid, processState(pid)?.start);
}

function markWith(pid: number, start: string | undefined): ProcessMark {
  return {
    token: `${pid.toString(36)}${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`,
    pid,
    ...(start === undefined ? {} : { start }),
    place: place(),
  };
}

/** Reads a mark; undefined for an invalid one. */
export function parseMark(text: string): ProcessMark | undefined {
  try {
    const mark = JSON.parse(text) as ProcessMark | null;
    return typeof mark?.token === "string" && typeof mark.pid === "number" ? mark : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the process of a mark is alive; "unknown" if it is on another machine or in another container. */
export function stateOf(mark: ProcessMark): "alive" | "dead" | "unknown" {
  if (mark.place !== place()) return "unknown";
  try {
    process.kill(mark.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return "dead";
  }
  const state = processState(mark.pid);
  if (state === undefined) return "alive"; // the system gives no further information
  return state.isGone || (mark.start !== undefined && state.start !== mark.start) ? "dead" : "alive";
}

function place(): string {
  ownPlace ??= [hostname(), read("/proc/sys/kernel/random/boot_id"), link("/proc/self/ns/pid")].join(" ");
  return ownPlace;
}

function processState(pid: number): { readonly start: string; readonly isGone: boolean } | undefined {
  const text = read(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" "); // the name may contain spaces and brackets
  const [state = ""] = fields;
  const start = fields[19];
  return start === undefined ? undefined : { start, isGone: /[ZXx]/.test(state) };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
