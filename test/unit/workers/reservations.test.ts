import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestContext } from "../../../src/context.ts";
import type { Reservation } from "../../../src/routes/media-runtime.ts";
import type { AskMessage, ToldMessage } from "../../../src/workers/protocol.ts";
import { RemoteReservations } from "../../../src/workers/remote-reservations.ts";
import { Reservations, type ReserveFile } from "../../../src/workers/reservations.ts";
import { silentLogger } from "../../helpers/silent-logger.ts";

const CONTEXTS = ["a", "b"].map((requestId) => ({ requestId }) as RequestContext);

/** A storage that notes what it is asked for. */
class Notes {
  readonly seen: string[] = [];
  readonly reserve: ReserveFile = async ({ requestId }, { fileName = "" }) => {
    this.seen.push(`reserve ${fileName} for ${requestId}`);
    return this.#reservation(fileName);
  };

  #reservation(fileName: string): Reservation {
    return {
      url: `https://files/${fileName}`,
      contentType: "text/plain",
      fileName,
      complete: async (content) => {
        this.seen.push(`complete ${fileName}`);
        if (content === "/none") throw new RangeError("there is no such file");
        return { size: content.length };
      },
      abort: async () => void this.seen.push(`abort ${fileName}`),
    };
  }
}

/** Both ends of a channel. */
function connect(reserve: ReserveFile): { worker: RemoteReservations; main: Reservations } {
  const main = new Reservations(reserve, silentLogger());
  const worker: RemoteReservations = new RemoteReservations((message) => {
    const { ask } = message as AskMessage;
    const contexts = ask.kind === "reserve" && ask.call === 1 ? CONTEXTS : undefined;
    void main.answer(message as AskMessage, contexts).then((told: ToldMessage) => worker.receive(told));
  });
  return { worker, main };
}

test("a worker reserves a URL for a request, and completes it once", async () => {
  const notes = new Notes();
  const { worker } = connect(notes.reserve);
  const { url, contentType, fileName, complete, abort } = await worker.of(1, 1).reserve({ fileName: "x" });
  assert.deepEqual([url, contentType, fileName], ["https://files/x", "text/plain", "x"]);
  assert.deepEqual(await complete(new Uint8Array(3)), { size: 3 });
  await assert.rejects(complete(new Uint8Array(3)), /is not open any more/);
  await assert.rejects(abort(), /is not open any more/);
  const other = await worker.of(1, 0).reserve({ fileName: "y" });
  await other.abort();
  assert.deepEqual(notes.seen, ["reserve x for b", "complete x", "reserve y for a", "abort y"]);
});

test("the storage's error arrives in the worker with its class", async () => {
  const { worker } = connect(new Notes().reserve);
  const reserved = await worker.of(1, 0).reserve({});
  await assert.rejects(reserved.complete("/none"), new RangeError("there is no such file"));
});

test("a call that has ended can't reserve a URL", async () => {
  const { worker } = connect(new Notes().reserve);
  await assert.rejects(worker.of(2, 0).reserve({}), /needs a call that has not ended/);
});

test("when a worker ends, the URLs are given up whose files it has not sent", async () => {
  const notes = new Notes();
  let allow!: () => void;
  const allowed = new Promise<void>((resolve) => (allow = resolve));
  const { worker, main } = connect(async (context, facts) => {
    if (facts.fileName === "slow") await allowed;
    return notes.reserve(context, facts);
  });
  const open = await worker.of(1, 0).reserve({ fileName: "open" });
  const complete = await worker.of(1, 0).reserve({ fileName: "complete" });
  await complete.complete("/path");
  const slow = worker.of(1, 0).reserve({ fileName: "slow" });
  main.end();
  allow();
  await slow;
  const given = notes.seen.filter((each) => each.startsWith("abort"));
  assert.deepEqual(given, ["abort open", "abort slow"]);
  await assert.rejects(open.abort(), /is not open any more/);
});
