import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import { createProgress, type ProgressStream } from "../../../src/output/progress.ts";

interface Written extends ProgressStream {
  readonly texts: string[];
}

function createStream(isTTY: boolean, columns = 60): Written {
  const texts: string[] = [];
  return { isTTY, columns, texts, write: (text: string) => texts.push(text) };
}

/** Runs an action with a mocked clock that the action advances. */
function withClock(action: (pass: (ms: number) => void) => void): void {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const real = performance.now.bind(performance);
  let now = 0;
  performance.now = () => now;
  try {
    action((ms) => {
      for (let passed = 0; passed < ms; passed += 100) {
        now += 100;
        mock.timers.tick(100);
      }
    });
  } finally {
    performance.now = real;
    mock.timers.reset();
  }
}

const INSTALLING = { doing: "installing", done: "installed" };
const ERASE = "\r\u001B[2K";

describe("the progress of an install", () => {
  test("on a terminal is one line, which is redrawn and finally erased", () => {
    withClock((pass) => {
      const stream = createStream(true);
      const progress = createProgress(INSTALLING, stream);
      progress.start("cowsay@1.6.0");
      progress.log("\u001B[32mbuilding\u001B[0m");
      pass(1300);
      assert.equal(
        stream.texts.at(-1)?.replace(/[⠀-⣿]/, "*"),
        `${ERASE}* installing cowsay@1.6.0 · 1 s · building`,
      );
      progress.done();
      assert.equal(stream.texts.at(-1), ERASE);
      const { length } = stream.texts;
      pass(1000);
      assert.equal(stream.texts.length, length);
    });
  });

  test("on a terminal is never wider than the terminal", () => {
    withClock((pass) => {
      const stream = createStream(true, 30);
      const progress = createProgress(INSTALLING, stream);
      progress.start("a-package-with-a-very-long-name@1.0.0");
      pass(500);
      assert.equal((stream.texts.at(-1)?.length ?? 0) - ERASE.length, 29);
      progress.failed();
    });
  });

  test("of several installs shares one line", () => {
    withClock((pass) => {
      const stream = createStream(true);
      const [first, second] = [createProgress(INSTALLING, stream), createProgress(INSTALLING, stream)];
      first.start("one");
      second.start("two");
      pass(400);
      assert.match(stream.texts.at(-1) ?? "", /installing one; two · 0 s$/);
      first.done();
      pass(100);
      assert.match(stream.texts.at(-1) ?? "", /installing two · 0 s$/);
      second.failed();
      assert.equal(stream.texts.at(-1), ERASE);
    });
  });

  test("is not shown for a quick install", () => {
    withClock((pass) => {
      for (const stream of [createStream(true), createStream(false)]) {
        const progress = createProgress(INSTALLING, stream);
        progress.start("one");
        pass(200);
        progress.done();
        assert.deepEqual(stream.texts, []);
      }
    });
  });

  test("elsewhere is a line after two seconds, and one at the end unless it failed", () => {
    withClock((pass) => {
      const stream = createStream(false);
      const progress = createProgress(INSTALLING, stream);
      progress.start("one");
      pass(1900);
      assert.deepEqual(stream.texts, []);
      pass(600);
      progress.done();
      assert.deepEqual(stream.texts, ["servable: installing one …\n", "servable: installed one in 2.5 s\n"]);
      progress.start("two");
      pass(2100);
      progress.failed();
      assert.deepEqual(stream.texts.slice(2), ["servable: installing two …\n"]);
    });
  });
});
