// The servable for callers with a key.
import { App, bearerTokens, endpoint, type RequestContext } from "servable";
import { announce } from "./announcement.ts";
import { draw, Picture, Prompt } from "./picture.ts";

/** Draws for those who have the key. */
export class Painter extends App {
  static override auth = bearerTokens(["key-of-the-benchmark"]);

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
