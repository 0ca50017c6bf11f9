// Hono on its Node server with its TypeBox validator. Answers aren't validated.
import { serve } from "@hono/node-server";
import { tbValidator } from "@hono/typebox-validator";
import { Type as T } from "@sinclair/typebox";
import { Hono } from "hono";
import { paint, PORT } from "./work.ts";

const Prompt = T.Object({
  prompt: T.String({ minLength: 1, maxLength: 1000 }),
  steps: T.Integer({ minimum: 1, maximum: 100 }),
  seed: T.Integer(),
  guidance: T.Number({ minimum: 0, maximum: 20 }),
  format: T.Union([T.Literal("png"), T.Literal("jpeg")]),
  safe: T.Boolean(),
});
const app = new Hono();
app.post("/", tbValidator("json", Prompt), (c) => c.json(paint(c.req.valid("json"))));
serve({ fetch: app.fetch, port: PORT, hostname: "127.0.0.1" });
