// A Fastify route with the same schemas and nothing else.
import { fastify, type FastifyRequest } from "fastify";
import { announce } from "./announcement.ts";
import { draw, Picture, Prompt } from "./picture.ts";

const paint = async ({ body }: FastifyRequest<{ Body: Prompt }>): Promise<Picture> => draw(body);

const server = fastify({ logger: false });
server.post("/", { schema: { body: Prompt, response: { 200: Picture } } }, paint);
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
