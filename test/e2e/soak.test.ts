import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Row {
  readonly name: string;
  readonly figure: number;
  readonly target: string | null;
  readonly ok: boolean;
}

// The slope and the descriptors need a minute. CI takes it for one commit of four; other runs take less.
const { stdout: commit } = spawnSync("git", ["rev-parse", "HEAD"], { cwd: ROOT, encoding: "utf8" });
const isLong = process.env["CI"] !== undefined && /^[048c]/.test(commit);
const length = isLong ? ["--seconds", "60"] : ["--quick"];

test(
  "callers of every kind, including hostile ones, get correct responses and leak no memory, descriptors or handles",
  { timeout: 300_000 },
  async () => {
    const flags = ["--conditions=servable-source", "--import", "tsx"];
    const { rows, said } = await new Promise<{ rows: Row[]; said: string }>((resolve, reject) => {
      const args = [...flags, "benchmarks/soak.ts", "--json", ...length];
      execFile(process.execPath, args, { cwd: ROOT }, (error, stdout, stderr) => {
        if (stdout === "") reject(new Error(stderr, { cause: error }));
        else resolve({ rows: JSON.parse(stdout) as Row[], said: stderr });
      });
    });
    assert.deepEqual(
      rows.filter(({ ok }) => !ok),
      [],
      said,
    );
    const held = new Set(rows.filter(({ target }) => target !== null).map(({ name }) => name));
    for (const name of ["wrong answers", "growth of the heap, garbage collected", "handles that are left"]) {
      assert.ok(held.has(name), name);
    }
    if (process.platform === "linux") assert.ok(held.has("descriptors that are left"));
  },
);
