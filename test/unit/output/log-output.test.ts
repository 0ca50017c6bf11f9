import assert from "node:assert/strict";
import { test } from "node:test";
import { LogOutput } from "../../../src/output/log-output.ts";

/** A destination that accepts `room` bytes, and then fails with one error code until it gets more room. */
class Destination {
  text = "";
  writes = 0;
  #room: number;
  readonly #code: string;

  constructor(code: string, room = 0) {
    this.#code = code;
    this.#room = room;
  }

  readonly write = (bytes: Uint8Array, offset: number): number => {
    this.writes++;
    if (this.#room <= 0) throw Object.assign(new Error(this.#code), { code: this.#code });
    const part = Buffer.from(bytes.subarray(offset, offset + this.#room));
    this.#room -= part.length;
    this.text += part.toString();
    return part.length;
  };

  makeRoom(bytes = Infinity): void {
    this.#room = bytes;
  }
}

for (const code of ["ENOSPC", "EPIPE", "EIO", "EBADF", "EFBIG", "EDQUOT", "ECONNRESET", "ENXIO"]) {
  test(`${code}: the line is dropped and counted, nothing is thrown, and later lines are not even tried`, (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const destination = new Destination(code);
    const output = new LogOutput(destination.write);
    for (let line = 0; line < 100; line++) output.write(`${line}\n`);
    assert.equal(output.dropped, 100);
    assert.equal(destination.writes, 1);
    destination.makeRoom();
    t.mock.timers.tick(1_000);
    assert.match(destination.text, /^\{.*"msg":"100 log lines were dropped"\}\n$/);
    output.write("after\n");
    assert.ok(destination.text.endsWith("}\nafter\n"));
    assert.equal(output.dropped, 100);
  });
}

for (const code of ["EAGAIN", "EBUSY", "EINTR"]) {
  test(`${code}: lines are queued in order up to a limit, further lines are dropped and reported`, (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const destination = new Destination(code, 5);
    const output = new LogOutput(destination.write);
    const lines = Array.from({ length: 3_000 }, (_, index) => `${index}`.padEnd(999, ".") + "\n");
    for (const line of lines) output.write(line);
    assert.ok(output.dropped > 1_900 && output.dropped < 2_000, String(output.dropped));
    destination.makeRoom();
    t.mock.timers.tick(1_000);
    const kept = lines.slice(0, 3_000 - output.dropped).join("");
    assert.ok(destination.text.startsWith(kept));
    assert.match(destination.text.slice(kept.length), /^\{.*"msg":"\d+ log lines were dropped"\}\n$/);
  });
}

test("a line that was truncated by a full disk is ended with a line break", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const destination = new Destination("ENOSPC", 3);
  const output = new LogOutput(destination.write);
  output.write("first\n");
  t.mock.timers.tick(1_000); // still full: nothing more is written
  destination.makeRoom();
  t.mock.timers.tick(1_000);
  assert.match(destination.text, /^fir\n\{.*"1 log line was dropped"\}\n$/);
});

test("a queued line that is written only in part is truncated as well", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let code = "EAGAIN";
  let written = "";
  let room = 3;
  const output = new LogOutput((bytes, offset) => {
    if (room <= 0) throw Object.assign(new Error(code), { code });
    const part = Buffer.from(bytes.subarray(offset, offset + room));
    room -= part.length;
    written += part.toString();
    return part.length;
  });
  output.write("first\n");
  code = "EPIPE";
  t.mock.timers.tick(1_000);
  room = Infinity;
  t.mock.timers.tick(1_000);
  assert.match(written, /^fir\n\{.*"1 log line was dropped"\}\n$/);
});

test("the end of the process waits only a limited time for a reader that does not read", () => {
  const output = new LogOutput(new Destination("EAGAIN").write);
  output.write("line\n");
  output.flushSync();
  assert.equal(output.isBehind, true);
});

test("lines that another output drops are reported where lines can be written", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const destination = new Destination("EAGAIN", Infinity);
  const reporter = new LogOutput(destination.write);
  const other = new LogOutput(new Destination("EPIPE").write, reporter);
  other.write("one\n");
  other.write("two\n");
  assert.equal(reporter.dropped, 2);
  t.mock.timers.tick(1_000);
  assert.match(destination.text, /"2 log lines were dropped"/);
});

test("onDrain() is called once the output has written or dropped everything", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const destination = new Destination("EAGAIN");
  const output = new LogOutput(destination.write);
  output.write("line\n");
  let drains = 0;
  output.onDrain(() => drains++);
  t.mock.timers.tick(100);
  assert.equal(drains, 0);
  destination.makeRoom();
  t.mock.timers.tick(100);
  assert.equal(drains, 1);
});
