// Express 5 with zod, both ways.
import express from "express";
import { z } from "zod";
import { paint, PORT } from "./work.ts";

const Prompt = z.object({
  prompt: z.string().min(1).max(1000),
  steps: z.int().min(1).max(100).default(25),
  seed: z.int(),
  guidance: z.number().min(0).max(20),
  format: z.enum(["png", "jpeg"]),
  safe: z.boolean(),
});
const Picture = z.object({
  url: z.string(),
  prompt: z.string(),
  seed: z.int(),
  steps: z.int(),
  width: z.int(),
  height: z.int(),
});
const app = express();
app.use(express.json());
app.post("/", (request, response) => {
  const parsed = Prompt.safeParse(request.body);
  if (!parsed.success) return response.status(422).json({ issues: parsed.error.issues });
  return response.json(Picture.parse(paint(parsed.data)));
});
app.listen(PORT, "127.0.0.1");
