// A Fastify route that writes a stream by hand, as events or as lines of JSON, and waits for slow readers.
import { once } from "node:events";
import { fastify } from "fastify";
import { announce } from "./announcement.ts";
import { linesOf, Wish } from "./lines.ts";

const server = fastify({ logger: false });
server.post<{ Body: Wish }>("/", { schema: { body: Wish } }, async ({ body, headers }, reply) => {
  const isLines = headers.accept === "application/x-ndjson";
  const [type, before, after] = isLines
    ? [headers.accept, "", "\n"]
    : ["text/event-stream", "data: ", "\n\n"];
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { "content-type": type, "cache-control": "no-cache" });
  for await (const line of linesOf(body)) {
    if (!raw.write(before + JSON.stringify(line) + after)) await once(raw, "drain");
  }
  raw.end();
});
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
