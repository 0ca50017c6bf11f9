// The Fastify route behind a hook that compares the bearer token in constant time, as @fastify/bearer-auth does.
import { createHash, timingSafeEqual } from "node:crypto";
import { fastify, type FastifyRequest } from "fastify";
import { announce } from "./announcement.ts";
import { draw, Picture, Prompt } from "./picture.ts";

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
const key = digest("key-of-the-benchmark");

const server = fastify({ logger: false });
server.addHook("onRequest", (request, reply, done) => {
  const { authorization = "" } = request.headers;
  const isKnown =
    authorization.startsWith("Bearer ") &&
    timingSafeEqual(digest(authorization.slice("Bearer ".length)), key);
  if (isKnown) done();
  else void reply.code(401).send({ error: "Unauthorized" });
});
const paint = async ({ body }: FastifyRequest<{ Body: Prompt }>): Promise<Picture> => draw(body);
server.post("/", { schema: { body: Prompt, response: { 200: Picture } } }, paint);
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
