// Many Fastify routes with the same schemas.
import { fastify } from "fastify";
import { announce } from "./announcement.ts";
import { ENDPOINTS, resultOf, schemasOf } from "./many-schemas.ts";

const server = fastify({ logger: false });
for (let index = 0; index < ENDPOINTS; index++) {
  const { input, output } = schemasOf(index);
  server.post(`/path-${index}`, { schema: { body: input, response: { 200: output } } }, async () =>
    resultOf(index),
  );
}
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
