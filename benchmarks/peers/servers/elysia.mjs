// Elysia on its Node adapter, schemas both ways.
import { node } from "@elysiajs/node";
import { Elysia, t } from "elysia";
import { paint, PORT } from "./work.ts";

const Prompt = t.Object({
  prompt: t.String({ minLength: 1, maxLength: 1000 }),
  steps: t.Integer({ minimum: 1, maximum: 100, default: 25 }),
  seed: t.Integer(),
  guidance: t.Number({ minimum: 0, maximum: 20 }),
  format: t.Union([t.Literal("png"), t.Literal("jpeg")]),
  safe: t.Boolean(),
});
const Picture = t.Object({
  url: t.String(),
  prompt: t.String(),
  seed: t.Integer(),
  steps: t.Integer(),
  width: t.Integer(),
  height: t.Integer(),
});
new Elysia({ adapter: node() })
  .post("/", ({ body }) => paint(body), { body: Prompt, response: Picture })
  .listen({ port: PORT, hostname: "127.0.0.1" });
