import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadModule } from "../module-loader.ts";
import { findUp } from "../../typescript/package-files.ts";
import { shortPath } from "../user-frame.ts";
import type { Finding } from "./finding.ts";
import { readTypeScriptSettings } from "./tsconfig.ts";

/** Checks that there is a tsconfig.json, and that it uses standard decorators. */
export function checkTypeScriptConfig(folder: string): Finding {
  const name = "tsconfig.json";
  const path = findUp(name, folder);
  if (path === undefined) {
    return {
      name,
      status: "warning",
      message: "none found; apps run, but nothing checks their types",
      advice: "write one with strict, module NodeNext; servable create shows how",
    };
  }
  const shown = shortPath(path);
  try {
    const { experimentalDecorators, strict } = readTypeScriptSettings(path);
    if (experimentalDecorators) {
      const advice = 'take "experimentalDecorators" out of it, or out of what it extends';
      return { name, status: "failed", message: `${shown} turns legacy decorators on`, advice };
    }
    return strict
      ? { name, status: "ok", message: shown }
      : { name, status: "warning", message: `${shown} is not strict`, advice: 'write "strict": true in it' };
  } catch (error) {
    const message = `${shown} can't be read: ${(error as Error).message}`;
    return { name, status: "failed", message, advice: "correct it; apps would run without it" };
  }
}

const PROBE = `const seen: string[] = [];
function mark(_method: unknown, context: ClassMethodDecoratorContext): void {
  seen.push(context.kind, String(context.name), typeof context.metadata);
}
export class Probe {
  @mark
  answer(): number { return 42; }
}
export const result = [...seen, new Probe().answer()].join(" ");
`;

/** Checks that decorators work: compiles a class with one and uses it. */
export async function checkDecorators(folder: string): Promise<Finding> {
  const name = "decorators";
  let temporary: string;
  try {
    temporary = await mkdtemp(join(tmpdir(), "servable-doctor-"));
  } catch (error) {
    return {
      name,
      status: "failed",
      message: `not tried: ${(error as Error).message}`,
      advice: "let TMPDIR name a folder that can be written",
    };
  }
  try {
    await writeFile(join(temporary, "package.json"), '{"type":"module"}');
    await writeFile(join(temporary, "probe.ts"), PROBE);
    const { result } = await loadModule(join(temporary, "probe.ts"));
    if (result === "method answer object 42")
      return { name, status: "ok", message: "translated as they should be" };
    return {
      name,
      status: "failed",
      message: `translated wrongly (${String(result)})`,
      advice: "another loader is at work; take it out of NODE_OPTIONS",
    };
  } catch (error) {
    return {
      name,
      status: "failed",
      message: `not translated: ${(error as Error).message}`,
      advice: `reinstall with install scripts allowed for esbuild, in ${folder}: npm rebuild esbuild`,
    };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
