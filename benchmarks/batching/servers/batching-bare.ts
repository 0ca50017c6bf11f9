// A Fastify route with the same schemas and nothing else: the cost of an answer without a queue.
import { fastify, type FastifyRequest } from "fastify";
import { announce } from "../../servers/announcement.ts";
import { Answer, Item } from "../item.ts";

const server = fastify({ logger: false });
server.post(
  "/",
  { schema: { body: Item, response: { 200: Answer } } },
  async ({ body }: FastifyRequest<{ Body: Item }>): Promise<Answer> => ({ seed: body.seed }),
);
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
