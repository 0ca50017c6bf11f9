// The same session as a servable, served as in production: validation of inputs and outputs, context, metrics, heartbeats.
import { App, realtime } from "servable";
import { announce } from "./announcement.ts";
import { Note } from "./note.ts";

/** Sends back its input. */
export class Echo extends App {
  @realtime("/", { input: Note, output: Note })
  async echo(input: Note): Promise<Note> {
    return input;
  }
}

await new Echo().serve({
  host: "127.0.0.1",
  port: 0,
  metricsPort: 0,
  onListening: ({ url }) => announce(url.replace("http:", "ws:")),
});
