// The load generator, a process of its own: takes load commands over IPC, answers each with its samples.
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { ALARM_ROLE, ALARM_THREAD, type AlarmData } from "./alarm-thread.ts";
import { Connections } from "./connections.ts";
import { itemText } from "./item.ts";
import type { ClosedLoad, LoadCommand, OpenLoad, Samples } from "./load.ts";
import { monotonicMs } from "./monotonic.ts";
import { takePriority } from "./priority.ts";
import { SampleRecorder } from "./sample-recorder.ts";
import { poissonSchedule } from "./schedule.ts";

/** The delay from the command to the first possible request, in which work left by the set-up completes. */
const LEAD_MS = 100;
takePriority();
process.on("message", (command: LoadCommand) => {
  void (command.kind === "open" ? runOpen(command) : runClosed(command)).then((samples) => {
    process.send?.(samples);
  });
});
process.on("disconnect", () => process.exit(0));

async function runOpen(load: OpenLoad): Promise<Samples> {
  const schedule = poissonSchedule(load);
  const startedMs = monotonicMs() + LEAD_MS;
  const recorder = new SampleRecorder(startedMs);
  const connections = new Connections(load.url, (request, response) => recorder.answered(request, response));
  await connections.open(load.connections);
  const alarm = new Worker(ALARM_THREAD, {
    workerData: { role: ALARM_ROLE, schedule, startedMs } satisfies AlarmData,
  });
  await sendOnSchedule(schedule, recorder, connections, alarm);
  const end = recorder.now() + load.settleMs;
  while (recorder.pending > 0 && recorder.now() < end) await sleep(5);
  const samples = recorder.finish();
  connections.close();
  return samples;
}

function sendOnSchedule(
  schedule: Float64Array,
  recorder: SampleRecorder,
  connections: Connections,
  alarm: Worker,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0;
    alarm.on("message", () => {
      for (let dueMs = schedule[next]; dueMs !== undefined; dueMs = schedule[next]) {
        const nowMs = recorder.now();
        if (nowMs < dueMs) break;
        const request = recorder.sent(dueMs, nowMs);
        connections.send(request, itemText(request));
        next++;
      }
      if (next === schedule.length) resolve();
    });
    alarm.on("error", reject);
    if (schedule.length === 0) resolve();
  });
}

async function runClosed(load: ClosedLoad): Promise<Samples> {
  const recorder = new SampleRecorder(monotonicMs() + LEAD_MS);
  let isOver = false;
  const sendNext = (): void => {
    const nowMs = recorder.now();
    const request = recorder.sent(nowMs, nowMs);
    connections.send(request, itemText(request));
  };
  const connections = new Connections(load.url, (request, response) => {
    recorder.answered(request, response);
    if (!isOver && response !== undefined) sendNext();
  });
  await connections.open(load.clients);
  await sleep(LEAD_MS);
  for (let client = 0; client < load.clients; client++) sendNext();
  await sleep(load.durationMs - recorder.now());
  isOver = true;
  const samples = recorder.finish();
  connections.close();
  return samples;
}
