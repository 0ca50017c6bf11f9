// A Fastify route that takes bytes and sends them back.
import { fastify } from "fastify";
import { announce } from "./announcement.ts";

const server = fastify({ logger: false });
server.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (_request, body, done) =>
  done(null, body),
);
server.post("/", async ({ body }, reply) => reply.type("image/png").send(body as Buffer));
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
