import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { ProcessEngine } from "../../src/controller/engines/process/process-engine.ts";
import { AppFolders } from "../../src/controller/engines/process/app-folders.ts";
import { RunnerLogs } from "../../src/controller/logs/runner-logs.ts";
import { RunnerOutput } from "../../src/controller/logs/runner-output.ts";
import { FileStore } from "../../src/controller/state/files.ts";
import { NpmEnvironments } from "../../src/environments/npm-environments.ts";
import { createFolder } from "../helpers/folders.ts";

const skip = process.platform === "linux" ? false : "it finds processes in /proc";

test(
  "a runner that was started, but not recorded before the platform was killed, is ended by the next platform, and no other process",
  { skip },
  async () => {
    const root = createFolder();
    const output = new RunnerOutput(join(root, "runners"));
    const environments = new NpmEnvironments({ cacheDirectory: join(root, "cache") });
    const folders = new AppFolders(root, new FileStore(join(root, "files")), environments);
    const engine = new ProcessEngine(folders, output, new RunnerLogs(output));
    const [lost, other] = [randomUUID(), randomUUID()];
    const [first, second] = [lost, other].map((id) =>
      spawn(process.execPath, ["-e", "console.log('up'); setInterval(() => {}, 1000)"], {
        detached: true,
        stdio: ["ignore", "pipe", "ignore"],
        env: { SERVABLE_RUNNER_ID: id, HOME: output.folderOf(id) },
      }),
    ) as [ReturnType<typeof spawn>, ReturnType<typeof spawn>];
    try {
      for (const child of [first, second]) if (child.stdout !== null) await once(child.stdout, "data");
      const ended = once(first, "exit");
      await engine.endOthers(new Set([other]));
      assert.deepEqual((await ended)[1], "SIGKILL");
      assert.equal(second.exitCode ?? second.signalCode, null);
    } finally {
      second.kill("SIGKILL");
    }
  },
);
