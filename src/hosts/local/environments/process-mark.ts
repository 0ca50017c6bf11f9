import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** The identity of a process in a file, by which others check whether it still runs. */
export interface ProcessMark {
  /** Unique to the file. */
  readonly token: string;
  readonly pid: number;
  /** When the process began, in the system's own terms, since pids are given again. Absent if unknown. */
  readonly start?: string;
  /** The machine, its boot and its space of pids. */
  readonly place: string;
}

let ownPlace: string | undefined;
let ownStart: string | undefined;

/** A mark of this process. */
export function createMark(): ProcessMark {
  ownStart ??= processState(process.pid)?.start;
  return {
    token: `${process.pid.toString(36)}${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`,
    pid: process.pid,
    ...(ownStart === undefined ? {} : { start: ownStart }),
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

/** Whether the process of a mark lives; "unknown" when it is one of another machine or container. */
export function stateOf(mark: ProcessMark): "alive" | "dead" | "unknown" {
  if (mark.place !== place()) return "unknown";
  try {
    process.kill(mark.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return "dead";
  }
  const state = processState(mark.pid);
  if (state === undefined) return "alive"; // no more is known here
  return state.isGone || (mark.start !== undefined && state.start !== mark.start) ? "dead" : "alive";
}

function place(): string {
  ownPlace ??= [hostname(), read("/proc/sys/kernel/random/boot_id"), link("/proc/self/ns/pid")].join(" ");
  return ownPlace;
}

function processState(pid: number): { readonly start: string; readonly isGone: boolean } | undefined {
  const text = read(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" "); // a name may hold blanks and brackets
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
