// A Fastify route that answers its input, with schemas and nothing else.
import { fastify } from "fastify";
import { Type, type Static } from "typebox";
import { announce } from "./announcement.ts";

const Greeting = Type.Object({ name: Type.String() });

const server = fastify({ logger: false });
server.post<{ Body: Static<typeof Greeting> }>(
  "/",
  { schema: { body: Greeting, response: { 200: Greeting } } },
  async ({ body }) => body,
);
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
