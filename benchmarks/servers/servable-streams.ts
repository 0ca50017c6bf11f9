// The same stream as a servable, served as in production.
import { App, endpoint } from "servable";
import { announce } from "./announcement.ts";
import { Line, linesOf, Wish } from "./lines.ts";

/** Yields lines. */
export class Lines extends App {
  @endpoint("/", { input: Wish, output: Line, stream: true })
  lines(wish: Wish): AsyncGenerator<Line> {
    return linesOf(wish);
  }
}

await new Lines().serve({
  host: "127.0.0.1",
  port: 0,
  metricsPort: 0,
  onListening: ({ url }) => announce(url),
});
