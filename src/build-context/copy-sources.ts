import { copySourcePath } from "./context-path.ts";
import type { Dockerfile, Instruction } from "./dockerfile.ts";
import { expandWord, readAssignments } from "./dockerfile-words.ts";

/** Arguments that the builder sets as soon as a stage declares them. */
const BUILDERS_OWN = /^(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)$|^(?:https?|ftp|no|all)_proxy$/i;

interface Stage {
  readonly name: string | undefined;
  readonly variables: Map<string, string | undefined>;
}

/**
 * Lists the paths and globs that a Dockerfile takes from its build context by COPY, ADD and bind mounts, relative to the
 * context, in order and each once. Sources from another stage and URLs are omitted.
 */
export function copySources(
  dockerfile: Dockerfile,
  buildArgs: Readonly<Record<string, string>> = {},
): string[] {
  const globals = new Map<string, string | undefined>();
  const stages: Stage[] = [];
  const sources = new Set<string>();
  for (const instruction of dockerfile.instructions) {
    const stage = stages.at(-1);
    if (instruction.keyword === "FROM") stages.push(openStage(instruction, stages));
    else if (instruction.keyword === "ARG") declare(instruction, stage, globals, buildArgs, dockerfile);
    else if (instruction.keyword === "ENV" && stage !== undefined) assign(instruction, stage, dockerfile);
    else if (stage !== undefined) {
      for (const word of sourcesOf(instruction)) {
        const path = copySourcePath(expandWord(word, stage.variables, dockerfile.escape));
        if (path !== undefined) sources.add(path);
      }
    }
  }
  return [...sources];
}

function openStage({ text }: Instruction, stages: readonly Stage[]): Stage {
  const [, base = "", name] = /^(\S+)(?:\s+as\s+(\S+))?/i.exec(text) ?? [];
  const parent = stages.find((stage) => stage.name?.toLowerCase() === base.toLowerCase());
  return { name, variables: new Map(parent?.variables) };
}

function declare(
  { text }: Instruction,
  stage: Stage | undefined,
  globals: Map<string, string | undefined>,
  buildArgs: Readonly<Record<string, string>>,
  { escape }: Dockerfile,
): void {
  for (const [name, given] of readAssignments(text)) {
    const scope = stage?.variables ?? globals;
    const byDefault = given === undefined ? undefined : expandWord(given, scope, escape);
    const known = Object.hasOwn(buildArgs, name) ? buildArgs[name] : (byDefault ?? globals.get(name));
    // Docker treats an argument without a value as empty, unless the builder sets it.
    scope.set(name, known ?? (BUILDERS_OWN.test(name) || stage === undefined ? undefined : ""));
  }
}

function assign({ text }: Instruction, { variables }: Stage, { escape }: Dockerfile): void {
  // Values in one ENV see only the variables of earlier instructions, not those of the same ENV.
  const before = new Map(variables);
  for (const [name, value = ""] of readAssignments(text)) {
    variables.set(name, expandWord(value, before, escape));
  }
}

function sourcesOf(instruction: Instruction): readonly string[] {
  const { keyword, flags, text, json } = instruction;
  if (keyword === "RUN") return flags.flatMap(bindSource);
  if (keyword !== "COPY" && keyword !== "ADD") return [];
  if (flags.some((flag) => flag.startsWith("from="))) return [];
  const words = json ?? text.split(/\s+/).filter((word) => word !== "");
  return words.slice(0, -1).filter((word) => !/^\d*<<-?["']?[A-Za-z_]/.test(word));
}

/** The path in the context that a flag such as `--mount=type=bind,source=…` mounts. */
function bindSource(flag: string): string[] {
  if (!flag.startsWith("mount=")) return [];
  const settings = flag.slice("mount=".length).split(",");
  const value = (...names: readonly string[]): string | undefined =>
    settings
      .map((setting) => setting.split("="))
      .find(([name = ""]) => names.includes(name))
      ?.slice(1)
      .join("=");
  if ((value("type") ?? "bind") !== "bind" || value("from") !== undefined) return [];
  return [value("source", "src") ?? "."];
}
