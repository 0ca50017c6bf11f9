// The Fastify route with an AsyncLocalStorage around the handler, as an app would keep the current request.
import { AsyncLocalStorage } from "node:async_hooks";
import { fastify, type FastifyRequest } from "fastify";
import { announce } from "./announcement.ts";
import { draw, Picture, Prompt } from "./picture.ts";

const current = new AsyncLocalStorage<FastifyRequest>();

const paint = async ({ body }: FastifyRequest<{ Body: Prompt }>): Promise<Picture> => draw(body);

const server = fastify({ logger: false });
server.post(
  "/",
  { schema: { body: Prompt, response: { 200: Picture } } },
  (request: FastifyRequest<{ Body: Prompt }>) => current.run(request, () => paint(request)),
);
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
