// Servable as in production: validation in both directions, context, CORS, metrics. Argument: overhead, streams or realtime.
import { setTimeout as sleep } from "node:timers/promises";
import { App, endpoint, realtime } from "servable";
import { Line, Note, Picture, Prompt, Wish } from "./schemas.ts";
import { lineOf, paint, PORT, ROLE } from "./work.ts";

class Painter extends App {
  @endpoint("/", { input: Prompt, output: Picture })
  async paint(input: Prompt): Promise<Picture> {
    return paint(input);
  }
}

class Lines extends App {
  @endpoint("/", { input: Wish, output: Line, stream: true })
  async *lines({ count, delay }: Wish): AsyncGenerator<Line> {
    for (let index = 0; index < count; index++) {
      if (delay > 0) await sleep(delay);
      yield lineOf(index);
    }
  }
}

class Echo extends App {
  @realtime("/", { input: Note, output: Note })
  async echo(input: Note): Promise<Note> {
    return input;
  }
}

const app = ROLE === "overhead" ? new Painter() : ROLE === "streams" ? new Lines() : new Echo();
await app.serve({ host: "127.0.0.1", port: PORT, metricsPort: PORT + 1 });
