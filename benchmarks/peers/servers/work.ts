// The work that the Node servers share. Each product's server calls these functions, so that only the product differs.
import type { Picture, Prompt } from "./schemas.ts";

/** The port to listen on. */
export const PORT = Number(process.env["PORT"]);

/** The measured role of the server: its first argument. */
export const ROLE = process.argv[2] ?? "overhead";

/** Returns the answer of the overhead section. */
export function paint({ prompt, seed, steps }: Prompt): Picture {
  return { url: `https://pictures.example/${seed}.png`, prompt, seed, steps, width: 1024, height: 768 };
}

/** Returns one item of a stream. */
export function lineOf(index: number): { index: number; text: string } {
  return { index, text: `this is item number ${index} of the stream` };
}

/** Computes on one core: about 10 ms for 400,000 rounds. */
export function spin(rounds: number): number {
  let value = 1;
  for (let index = 0; index < rounds; index++) value = (value * 1_103_515_245 + 12_345) % 2_147_483_648;
  return value;
}
