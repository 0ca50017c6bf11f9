// Fastify routes that take and return large values, with the same schemas.
import { fastify } from "fastify";
import type { Static } from "typebox";
import { announce } from "./announcement.ts";
import { Count, Frames, framesOf, HUGE, Wide, WIDE } from "./large-values.ts";

const SOME = framesOf(50);
const server = fastify({ logger: false, bodyLimit: 50 * 1024 * 1024 });
const count = { response: { 200: Count } };

server.post("/wide-body", { schema: { body: Wide, ...count } }, async ({ body }) => ({
  count: Object.keys(body as object).length,
}));
server.post("/wide-answer", { schema: { response: { 200: Wide } } }, async () => WIDE);
server.post("/nested-body", { schema: { body: Frames, ...count } }, async ({ body }) => ({
  count: (body as Static<typeof Frames>).frames.length,
}));
server.post("/nested-answer", { schema: { response: { 200: Frames } } }, async () => SOME);
server.post("/huge-answer", { schema: { response: { 200: Frames } } }, async () => framesOf(HUGE));
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
