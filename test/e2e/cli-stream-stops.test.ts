import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ANY_PORT, createProject, startCli, type RunningCli } from "../helpers/cli.ts";
import { ended, isAlive } from "../helpers/processes.ts";

const APP = `import { App, endpoint, type RequestContext } from "servable";

class Streams extends App {
  override async teardown(): Promise<void> {
    console.log("teardown");
  }

  @endpoint("/polite", { stream: true })
  async *polite(ctx: RequestContext): AsyncGenerator<unknown> {
    try {
      yield { process: process.pid };
      await new Promise((_resolve, reject) => ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason)));
    } finally {
      ctx.log.info("cleaned up");
    }
  }

  @endpoint("/deaf", { stream: true })
  async *deaf(): AsyncGenerator<unknown> {
    yield { process: process.pid };
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  }

  @endpoint("/busy", { stream: true })
  async *busy(): AsyncGenerator<unknown> {
    yield { process: process.pid };
    await new Promise((resolve) => setTimeout(resolve, 100)); // until the item has left the process
    for (;;);
  }

  @endpoint("/optional", { stream: "optional" })
  optional(ctx: RequestContext): AsyncGenerator<unknown> {
    return this.polite(ctx);
  }
}

export class Here extends Streams {}

export class InWorker extends Streams {
  static override workers = { count: 1, module: import.meta.url };
}
`;

/** Reads a stream until it is broken off. Calls back once its first item has arrived. */
async function readBroken(url: string, onFirst: (item: { process: number }) => void): Promise<string> {
  const answer = await fetch(url, { method: "POST" });
  const decoder = new TextDecoder();
  let text = "";
  await assert.rejects(async () => {
    for await (const chunk of answer.body ?? []) {
      const isFirst = text === "";
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (isFirst) onFirst(JSON.parse(text.slice("data: ".length)) as { process: number });
    }
  }, "the connection is broken, since the stream is not whole");
  return text;
}

async function interrupt(app: RunningCli): Promise<void> {
  app.kill("SIGINT");
  await app.logged(/stop/i);
  app.kill("SIGINT");
}

describe(
  "a second Ctrl-C ends a stream with an error event and a broken connection",
  { timeout: 120_000 },
  () => {
    const folder = createProject({ "app.ts": APP });

    for (const [name, paths] of [
      ["Here", ["/deaf"]],
      ["InWorker", ["/polite", "/busy", "/optional"]],
    ] as const) {
      for (const path of paths) {
        test(`of ${name}, ${path}`, async () => {
          const app = startCli(["run", `app.ts::${name}`, ...ANY_PORT], folder);
          const url = await app.listening();
          let runner = 0;
          const text = await readBroken(url + path, (item) => {
            runner = item.process;
            void interrupt(app);
          });
          assert.match(
            text,
            /^data: \{"process":\d+\}\n\nevent: error\ndata: \{"detail":"[^"]*stopp[^"]*".*"status":503\}\n\n$/,
          );
          const { exitCode, stdout } = await app.ended;
          assert.equal(exitCode, 1, stdout);
          await ended(runner);
          assert.ok(!isAlive(runner));
          if (path === "/polite" || path === "/optional") assert.match(stdout, /cleaned up/);
        });
      }
    }
  },
);
