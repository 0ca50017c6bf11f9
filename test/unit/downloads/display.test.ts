import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { DownloadDisplay } from "../../../src/downloads/display.ts";
import type { DownloadProgress } from "../../../src/downloads/options.ts";

/** Shows a download of 100 MB at 1 MB/s for some seconds. */
function shown(isTTY: boolean, seconds: number): { texts: string[]; reports: DownloadProgress[] } {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const real = performance.now.bind(performance);
  let now = 0;
  performance.now = () => now;
  const texts: string[] = [];
  const reports: DownloadProgress[] = [];
  try {
    const options = { onProgress: (progress: DownloadProgress) => reports.push(progress) };
    const stream = { isTTY, columns: 100, write: (text: string) => texts.push(text) };
    const display = new DownloadDisplay("model.onnx", options, stream);
    for (; now < seconds * 1000; now += 50) {
      mock.timers.tick(50);
      display.advance(now * 1000, 100_000_000);
    }
    display.done();
  } finally {
    performance.now = real;
    mock.timers.reset();
  }
  return { texts, reports };
}

test("a terminal shows the share, the speed and the time left, and is erased at the end", () => {
  const { texts } = shown(true, 10);
  assert.match(
    texts.at(-2) ?? "",
    /downloading model\.onnx · 9 s · 9 % of 100 MB · 1\.0 MB\/s · 91 s left|2 min left$/,
  );
  assert.equal(texts.at(-1), "\r\u001B[2K");
});

test("elsewhere there are lines after 2 s, every 15 s, and at the end", () => {
  assert.deepEqual(shown(false, 40).texts, [
    "servable: downloading model.onnx …\n",
    "servable: downloading model.onnx … 16 % of 100 MB · 1.0 MB/s · 84 s left\n",
    "servable: downloading model.onnx … 31 % of 100 MB · 1.0 MB/s · 69 s left\n",
    "servable: downloaded model.onnx in 40.0 s\n",
  ]);
  assert.deepEqual(shown(false, 1).texts, []);
});

test("what onProgress throws reaches the download, even if it is thrown in a timer", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const failure = new Error("of the app");
  const onProgress = ({ receivedBytes }: DownloadProgress): void => {
    if (receivedBytes === 2) throw failure;
  };
  const display = new DownloadDisplay("x", { onProgress, showProgress: false });
  display.advance(1, 10);
  display.advance(2, 10);
  t.mock.timers.tick(200);
  assert.throws(() => display.advance(3, 10), failure);
});

test("progress is reported at most ten times per second, and the end always", () => {
  const { reports } = shown(false, 2);
  assert.ok(reports.length <= 21, `${reports.length} reports`);
  assert.deepEqual(reports.at(-1), { receivedBytes: 1_950_000, totalBytes: 100_000_000 });
});
