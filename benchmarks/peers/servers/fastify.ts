// Bare Fastify as its documentation shows it, with schemas for body and response. Argument: overhead, streams or workers.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fastify } from "fastify";
import { Picture, Prompt, Rounds, Value, Wish, type Line } from "./schemas.ts";
import { lineOf, paint, PORT, ROLE, spin } from "./work.ts";

const app = fastify({ logger: false });

async function* lines({ count, delay }: Wish): AsyncGenerator<Line> {
  for (let index = 0; index < count; index++) {
    if (delay > 0) await sleep(delay);
    yield lineOf(index);
  }
}

if (ROLE === "overhead") {
  const schema = { body: Prompt, response: { 200: Picture } };
  app.post<{ Body: Prompt }>("/", { schema }, async ({ body }) => paint(body));
} else if (ROLE === "workers") {
  const schema = { body: Rounds, response: { 200: Value } };
  app.post<{ Body: Rounds }>("/", { schema }, async ({ body }) => ({ value: spin(body.rounds) }));
} else {
  app.post<{ Body: Wish }>("/", { schema: { body: Wish } }, async ({ body }, reply) => {
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    for await (const line of lines(body)) {
      if (!raw.write(`data: ${JSON.stringify(line)}\n\n`)) await once(raw, "drain");
    }
    raw.end();
  });
}
await app.listen({ host: "127.0.0.1", port: PORT });
