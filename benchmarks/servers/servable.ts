// The same route as a servable, served as in production: validation, context, CORS, metrics on a port of their own.
import { App, endpoint, type RequestContext } from "servable";
import { announce } from "./announcement.ts";
import { draw, Picture, Prompt } from "./picture.ts";

/** Draws. */
export class Painter extends App {
  @endpoint("/", { input: Prompt, output: Picture })
  async paint(input: Prompt, _ctx: RequestContext): Promise<Picture> {
    return draw(input);
  }
}

await new Painter().serve({
  host: "127.0.0.1",
  port: 0,
  metricsPort: 0,
  onListening: ({ url }) => announce(url),
});
