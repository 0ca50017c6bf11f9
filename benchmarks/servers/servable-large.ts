// A servable that takes and returns large values.
import { App, endpoint } from "servable";
import type { Static } from "typebox";
import { announce } from "./announcement.ts";
import { Count, Frames, framesOf, HUGE, Wide, WIDE } from "./large-values.ts";

const SOME = framesOf(50);

/** Takes and returns large values. */
export class Large extends App {
  @endpoint("/wide-body", { input: Wide, output: Count })
  async wideBody(input: Static<typeof Wide>): Promise<Static<typeof Count>> {
    return { count: Object.keys(input).length };
  }

  @endpoint("/wide-answer", { output: Wide })
  async wideAnswer(): Promise<Static<typeof Wide>> {
    return WIDE as Static<typeof Wide>;
  }

  @endpoint("/nested-body", { input: Frames, output: Count })
  async nestedBody({ frames }: Static<typeof Frames>): Promise<Static<typeof Count>> {
    return { count: frames.length };
  }

  @endpoint("/nested-answer", { output: Frames })
  async nestedAnswer(): Promise<Static<typeof Frames>> {
    return SOME;
  }

  @endpoint("/huge-answer", { output: Frames })
  async hugeAnswer(): Promise<Static<typeof Frames>> {
    return framesOf(HUGE);
  }
}

await new Large().serve({
  host: "127.0.0.1",
  port: 0,
  metricsPort: 0,
  onListening: ({ url }) => announce(url),
});
