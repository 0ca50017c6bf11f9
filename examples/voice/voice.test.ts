import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text as textOf } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { after, before, suite, test } from "node:test";
import { connectTestSocket, startTestServer, type TestServer } from "servable/testing";
import VoiceDetector, { Frame, Segment, Speech } from "./app.ts";
import { FRAME_SECONDS, framesOf } from "./frame.ts";
import { VoiceModel } from "./voice-model.ts";
import { readWav } from "./wav-file.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const WAV = readFileSync(new URL("./speech.wav", import.meta.url));
const SILENCE = new Uint8Array(1024);
const FRAMES = [...framesOf(readWav(WAV))];
/** Start and end of the speech in the recording, in seconds. */
const SPOKEN = [
  { start: 0.9, end: 2.356 },
  { start: 3.156, end: 3.956 },
];
const TOLERANCE = 0.25;

function assertSpoken(found: readonly Segment[]): void {
  assert.equal(found.length, SPOKEN.length, JSON.stringify(found));
  SPOKEN.forEach(({ start, end }, index) => {
    const segment = found[index] as Segment;
    assert.ok(Math.abs(segment.start - start) < TOLERANCE, `starts at ${segment.start}, not near ${start}`);
    assert.ok(Math.abs(segment.end - end) < TOLERANCE, `ends at ${segment.end}, not near ${end}`);
  });
}

/** The fields of a result that must be equal whether or not frames share a batch. */
function known({ speaking, index }: Speech): object {
  return { speaking, index };
}

/** Sends all frames at once and returns their results. */
async function hearAll(url: string, frames: readonly Uint8Array[]): Promise<Speech[]> {
  const caller = await connectTestSocket(url, { input: Frame, output: Speech });
  for (const pcm of frames) caller.send({ pcm });
  const heard: Speech[] = [];
  while (heard.length < frames.length) heard.push(await caller.next());
  assert.equal((await caller.close(1000)).code, 1000);
  return heard;
}

/** Polls `/health` until the app holds the state of this number of sessions. */
async function sessionsBecome(url: string, count: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const { sessions } = (await (await fetch(`${url}/health`)).json()) as { sessions: number };
    if (sessions === count) return;
    assert.ok(performance.now() < deadline, `still ${sessions} sessions, not ${count}`);
  }
}

type Child = ChildProcessByStdio<null, Readable, null>;

/** Runs the command of a script in package.json, without npm. */
function run(script: "start" | "client", args: readonly string[]): Child {
  const { scripts } = JSON.parse(readFileSync(join(FOLDER, "package.json"), "utf8")) as {
    scripts: Record<typeof script, string>;
  };
  const command = [...scripts[script].split(" ").slice(1), ...args];
  const env = { ...process.env, HOST: "127.0.0.1" };
  return spawn(process.execPath, command, { cwd: FOLDER, env, stdio: ["ignore", "pipe", "inherit"] });
}

/** Waits until the app is started, and returns the address that it prints. */
async function addressOf(app: Child): Promise<string> {
  let output = "";
  for await (const chunk of app.stdout.iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    const port = /http:\/\/127\.0\.0\.1:(\d+)(?!\d|\/metrics)/.exec(output)?.[1];
    if (port === undefined) continue;
    app.stdout.resume();
    return `ws://127.0.0.1:${port}`;
  }
  assert.fail(`the app named no address:\n${output}`);
}

suite("examples/voice", () => {
  let served: TestServer<VoiceDetector>;
  let realtimeUrl: string;
  let segmentsUrl: string;
  before(async () => {
    served = await startTestServer(new VoiceDetector());
    realtimeUrl = `ws://127.0.0.1:${served.port}/realtime`;
    segmentsUrl = `ws://127.0.0.1:${served.port}/segments`;
  });
  after(() => served.close());

  test("POST / finds both sentences in the recording", async () => {
    const answer = await served.post("/", { wav: WAV.toString("base64") });
    assert.equal(answer.status, 200);
    const { seconds, segments } = (await answer.json()) as { seconds: number; segments: Segment[] };
    assert.equal(seconds, 72_894 / 16_000);
    assertSpoken(segments);
  });

  test("POST / rejects a file that is not a WAV file of 16 kHz, with the reason", async () => {
    const slow = Buffer.from(WAV);
    slow.writeUInt32LE(8000, 24);
    const cases: [wav: string, type: string, msg: RegExp][] = [
      ["not base64!", "string_format_mismatch", /valid byte/],
      [Buffer.from("a text").toString("base64"), "wav_invalid", /^This is not a WAV file$/],
      [slow.toString("base64"), "wav_invalid", /16000 Hz; got 16-bit PCM, channels: 1, 8000 Hz$/],
      [WAV.subarray(0, 1000).toString("base64"), "wav_invalid", /^The WAV file is cut short$/],
      [WAV.subarray(0, 36).toString("base64"), "wav_invalid", /^The WAV file holds no samples$/],
    ];
    for (const [wav, type, msg] of cases) {
      const answer = await served.post("/", { wav });
      assert.equal(answer.status, 422);
      const { detail } = (await answer.json()) as { detail: { loc: string[]; type: string; msg: string }[] };
      assert.deepEqual([detail[0]?.loc, detail[0]?.type], [["body", "wav"], type]);
      assert.match(detail[0]?.msg ?? "", msg);
    }
  });

  test("each frame is answered in order: likely speech where there is some, unlikely where there is none", async () => {
    const heard = await hearAll(realtimeUrl, FRAMES);
    assert.deepEqual(
      heard.map(({ index }) => index),
      FRAMES.map((_, index) => index),
    );
    const spokenAt = (seconds: number, margin: number): boolean =>
      SPOKEN.some(({ start, end }) => seconds > start - margin && seconds < end + margin);
    const middles = heard.map((speech) => ({ ...speech, at: (speech.index + 0.5) * FRAME_SECONDS }));
    const silent = middles.filter(({ at }) => !spokenAt(at, TOLERANCE));
    const spoken = middles.filter(({ at }) => spokenAt(at, -TOLERANCE));
    assert.ok(silent.length > 30 && spoken.length > 30);
    for (const { at, probability } of silent) assert.ok(probability < 0.2, `${probability} at ${at} s`);
    const mean = spoken.reduce((sum, { probability }) => sum + probability, 0) / spoken.length;
    assert.ok(mean > 0.8, `speech has a mean probability of ${mean}`);
    for (const { at, speaking } of spoken) assert.ok(speaking, `not speaking at ${at} s`);
    assert.equal(heard.at(-1)?.speaking, false);
  });

  test("sessions at the same time get the results that each would get alone", async () => {
    const others = FRAMES.toReversed();
    const alone = [await hearAll(realtimeUrl, FRAMES), await hearAll(realtimeUrl, others)];
    assert.notDeepEqual(alone[0], alone[1]);
    const together = await Promise.all([
      hearAll(realtimeUrl, FRAMES),
      hearAll(realtimeUrl, others),
      hearAll(realtimeUrl, FRAMES),
    ]);
    const expected = [...alone, alone[0] as Speech[]];
    for (const [caller, heard] of together.entries()) {
      const beside = expected[caller] as Speech[];
      assert.deepEqual(heard.map(known), beside.map(known));
      heard.forEach(({ probability }, index) => {
        const difference = Math.abs(probability - (beside[index]?.probability ?? 0));
        assert.ok(difference < 1e-4, `${difference}`); // in a batch, sums are rounded in another order
      });
    }
  });

  test("frames of many sessions share runs of the model", async (t) => {
    const hear = t.mock.method(VoiceModel.prototype, "hear"); // counts calls; the model itself runs
    const callers = Array.from({ length: 16 }, () => hearAll(realtimeUrl, FRAMES));
    for (const heard of await Promise.all(callers)) assert.equal(heard.length, FRAMES.length);
    const sizes = hear.mock.calls.map(({ arguments: [streams] }) => streams.length);
    assert.equal(
      sizes.reduce((sum, size) => sum + size, 0),
      16 * FRAMES.length,
    );
    assert.ok(
      sizes.length < (16 * FRAMES.length) / 4,
      `${sizes.length} runs for ${16 * FRAMES.length} frames`,
    );
  });

  test("a frame of the wrong size ends the session with a readable reason", async () => {
    for (const url of [realtimeUrl, segmentsUrl]) {
      const caller = await connectTestSocket(url, { input: Frame });
      caller.send({ pcm: new Uint8Array(1000) });
      assert.equal((await caller.closed).code, 1000);
      const reason = "pcm: Data should have at least 1024 bytes";
      assert.deepEqual(caller.control, [{ type: "x-fal-error", error: "INTERNAL_ERROR", reason }]);
      assert.deepEqual(caller.results, []);
    }
  });

  test("samples that are missing or not binary end the session with a readable reason", async () => {
    const cases: [frame: Record<string, unknown>, reason: RegExp][] = [
      [{ pcm: "AAAA" }, /^pcm: Input should be a valid bytes$/],
      [{ pcm: Array.from({ length: 1024 }, () => 0) }, /^pcm: Input should be a valid bytes$/],
      [{}, /pcm.*required/i],
    ];
    for (const [frame, reason] of cases) {
      const caller = await connectTestSocket(realtimeUrl);
      caller.send(frame);
      await caller.closed;
      assert.equal(caller.control.length, 1);
      assert.match(caller.control[0]?.reason ?? "", reason);
    }
  });

  test("a session's state is freed when its client says goodbye, and when it vanishes", async () => {
    const connect = () => connectTestSocket(realtimeUrl, { input: Frame, output: Speech });
    const [polite, rude] = await Promise.all([connect(), connect()]);
    for (const caller of [polite, rude]) {
      caller.send({ pcm: SILENCE });
      await caller.next();
    }
    await sessionsBecome(served.url, 2);
    await polite.close(1000);
    await sessionsBecome(served.url, 1);
    for (const pcm of FRAMES) rude.send({ pcm });
    await rude.next(); // the other frames are still being processed
    rude.socket.terminate();
    await sessionsBecome(served.url, 0);
  });

  test("/segments sends a segment as soon as the silence after it is heard", async () => {
    const caller = await connectTestSocket(segmentsUrl, { input: Frame, output: Segment });
    const pause = Math.ceil(3 / FRAME_SECONDS);
    for (const pcm of FRAMES.slice(0, pause)) caller.send({ pcm });
    const first = await caller.next();
    for (const pcm of FRAMES.slice(pause)) caller.send({ pcm });
    assertSpoken([first, await caller.next()]);
    assert.equal((await caller.close(1000)).code, 1000);
    assert.equal(caller.results.length, 2);
  });

  test("/segments sends the segment that was open when the client closed, before it answers", async () => {
    const caller = await connectTestSocket(segmentsUrl, { input: Frame, output: Segment });
    const middle = Math.floor(2 / FRAME_SECONDS);
    for (const pcm of FRAMES.slice(0, middle)) caller.send({ pcm });
    assert.equal((await caller.close(1000)).code, 1000);
    const [segment, ...more] = caller.results;
    assert.deepEqual(more, []);
    assert.ok(Math.abs((segment?.start ?? 0) - 0.9) < TOLERANCE);
    assert.ok(Math.abs((segment?.end ?? 0) - middle * FRAME_SECONDS) < 0.001);
  });

  test("npm start serves the app, npm run client prints the segments, SIGTERM ends it with 0", async () => {
    const app = run("start", ["--port", "0", "--metrics-port", "0"]);
    after(() => app.kill("SIGKILL"));
    const exited = once(app, "exit");
    const client = run("client", ["speech.wav", `${await addressOf(app)}/segments`]);
    const lines = (await textOf(client.stdout)).trim().split("\n");
    const found = lines.map((line) => /^([\d.]+) s to ([\d.]+) s$/.exec(line));
    assertSpoken(found.map((match) => ({ start: Number(match?.[1]), end: Number(match?.[2]) })));
    app.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null]);
  });
});
