import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { FalServerlessError } from "../../../errors.ts";
import { writeFileAtomic } from "../../../processes/atomic-file.ts";
import { currentRuntime } from "../../../functions/runtime.ts";

/**
 * Writes the bridge program to a folder. Several processes may do so at the same time.
 * @returns its path
 */
export async function writeBridge(directory: string): Promise<string> {
  const code = await bridgeCode();
  const hash = createHash("sha256").update(code).digest("hex").slice(0, 16);
  const path = join(directory, `bridge-${hash}.mjs`);
  if (existsSync(path)) return path;
  writeFileAtomic(path, code, { mode: 0o644 });
  return path;
}

async function bridgeCode(): Promise<string> {
  // A bundle does not contain the sources of the bridge.
  if (currentRuntime() !== undefined) {
    throw new FalServerlessError(
      "CONTAINER_UNAVAILABLE",
      'A function of kind "container" can\'t be called from within an isolated function.',
    );
  }
  const { programCode } = await import("../../../functions/bundle/programs.ts");
  return programCode("bridge");
}
