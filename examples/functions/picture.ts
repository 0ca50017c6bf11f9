import { writeFile } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { currentRun, fn, RequestCancelledException } from "servable";

const HEIGHT = 900;
const WIDTH = 1200;
/** A point that has not escaped by then is in the set. */
const MAX_STEPS = 5000;

/** Draws the Mandelbrot set as a PNG and prints its progress. */
export const draw = fn({ requirements: ["pngjs@7.0.0"], maxConcurrency: 1 }, async () => {
  const { PNG } = await import("pngjs");
  const { signal } = currentRun();
  const picture = new PNG({ width: WIDTH, height: HEIGHT });
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const steps = stepsToLeave((x / WIDTH) * 3.2 - 2.2, (y / HEIGHT) * 2.4 - 1.2);
      picture.data.set([steps * 5, steps * 3, 60 + steps * 7, 255], (y * WIDTH + x) * 4);
    }
    if (y % 90 === 0) console.log(`${Math.round((100 * y) / HEIGHT)} %`);
    await nextTurn(); // lets the message of a cancellation arrive
    signal.throwIfAborted();
  }
  return PNG.sync.write(picture);
});

function stepsToLeave(cx: number, cy: number): number {
  let x = 0;
  let y = 0;
  let steps = 0;
  for (; x * x + y * y <= 4 && steps < MAX_STEPS; steps++) [x, y] = [x * x - y * y + cx, 2 * x * y + cy];
  return steps === MAX_STEPS ? 0 : steps;
}

const run = draw.spawn();
process.once("SIGINT", () => run.stream.cancel());

for await (const { source, message } of run.logs) console.log(`${source}: ${message}`);
try {
  const file = process.argv[2] ?? "picture.png";
  const png = await run.result;
  await writeFile(file, png);
  console.log(`${file}: ${png.length} bytes`);
} catch (error) {
  if (!(error instanceof RequestCancelledException)) throw error;
  console.log("cancelled: nothing is written");
  process.exitCode = 130; // the exit code that a shell expects after Ctrl-C
}
