import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { after, before, suite, test } from "node:test";
import { startTestServer, type TestServer } from "servable/testing";
import sharp from "sharp";
import PictureReader, { type Text } from "./app.ts";

/** A picture of the first line of the receipt, which takes little time to read. */
const LABEL = await sharp(fileURLToPath(new URL("./pictures/receipt.webp", import.meta.url)))
  .extract({ left: 90, top: 20, width: 280, height: 60 })
  .png()
  .toBuffer();
const NEWSPAPER = readFileSync(new URL("./pictures/newspaper.png", import.meta.url));

async function assertRead(answer: Response): Promise<void> {
  assert.equal(answer.status, 200);
  const { lines } = (await answer.json()) as Text;
  assert.deepEqual(
    lines.map(({ text }) => text),
    ["CORNER CAFE"],
  );
}

/** The ids of the worker processes of this process. */
function workers(): number[] {
  const processes = execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" });
  return processes.split("\n").flatMap((line) => {
    const [pid, parent, ...command] = line.trim().split(/\s+/);
    return Number(parent) === process.pid && command.includes(PictureReader.name) ? [Number(pid)] : [];
  });
}

suite("the workers of examples/ocr", () => {
  let served: TestServer<PictureReader>;
  before(async () => {
    served = await startTestServer(new PictureReader());
  });
  after(() => served.close());

  const post = (file: Buffer): Promise<Response> =>
    served.post("/", { picture: `data:;base64,${file.toString("base64")}` });

  test("two of them are ready before the first request", () => {
    assert.equal(workers().length, 2);
  });

  test("of too many pictures at once, some are read and the others refused, with the time to try again", async () => {
    const answers = await Promise.all(Array.from({ length: 80 }, () => post(LABEL)));
    const read = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 429);
    assert.equal(read.length + refused.length, 80);
    // At least 18 are accepted, because two are read at a time and 16 can wait. Further ones are accepted when others
    // have been read.
    assert.ok(read.length >= 18 && read.length < 80, `${read.length} were read`);
    for (const answer of read) await assertRead(answer);
    for (const answer of refused) {
      assert.match(answer.headers.get("retry-after") ?? "", /^[1-9]\d*$/);
      const detail = "Too many requests wait already; try again later.";
      assert.deepEqual(await answer.json(), { detail });
    }
  });

  test("the server answers while they all read", async () => {
    const reading = [1, 2].map(() => post(NEWSPAPER).then(() => "a picture"));
    const health = fetch(`${served.url}/health`).then(({ status }) => `health ${status}`);
    assert.equal(await Promise.race([...reading, health]), "health 200");
    await Promise.all(reading);
  });

  test("the picture of one that dies is read by another", async () => {
    const [victim, ...others] = workers();
    assert.ok(victim !== undefined && others.length === 1);
    process.kill(victim, "SIGSTOP"); // a stopped worker can't finish its picture before it is killed
    const answers = [post(LABEL), post(LABEL)];
    await Promise.race(answers);
    process.kill(victim, "SIGKILL");
    for (const answer of await Promise.all(answers)) await assertRead(answer);
    assert.ok(!workers().includes(victim));
  });

  test("one that dies is replaced", async () => {
    const [victim] = workers();
    assert.ok(victim !== undefined);
    process.kill(victim, "SIGKILL");
    const deadline = performance.now() + 20_000;
    while (workers().length < 2 || workers().includes(victim)) {
      assert.ok(performance.now() < deadline, "there is no second worker again");
      await delay(100);
    }
    for (const answer of await Promise.all([post(LABEL), post(LABEL)])) await assertRead(answer);
  });
});
