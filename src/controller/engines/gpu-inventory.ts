import { runProgram } from "../../processes/program.ts";
import type { Gpu } from "../state/gpus.ts";

const TIMEOUT_MS = 10_000;

/** The devices of this machine, as NVIDIA's driver lists them. None if there is no driver. */
export async function findGpus(command: string = "nvidia-smi"): Promise<readonly Gpu[]> {
  const query = ["--query-gpu=uuid,name", "--format=csv,noheader"];
  const { code, stdout } = await runProgram(command, query, {
    endingBy: "alone",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch(() => ({ code: undefined, stdout: "" }));
  if (code !== 0) return [];
  return stdout
    .split("\n")
    .map((line) => line.split(",").map((part) => part.trim()))
    .flatMap(([id = "", name = ""]) => (id === "" ? [] : [{ id, name: name || id }]));
}
