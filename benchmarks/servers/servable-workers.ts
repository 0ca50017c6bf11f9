// A servable whose endpoints run in workers, except one. Argument: the number of workers.
import { App, endpoint } from "servable";
import { Type } from "typebox";
import { announce } from "./announcement.ts";
import { compute, waste } from "./computation.ts";
import { draw, Picture, Prompt } from "./picture.ts";

const workers = Number(process.argv[2]) || 2; // in a worker, the argument is another one

/** Draws and computes in workers. */
export class PooledPainter extends App {
  @endpoint("/", { input: Prompt, output: Picture, workers })
  async paint(input: Prompt): Promise<Picture> {
    return draw(input);
  }

  /** Keeps a worker busy for 10 ms. */
  @endpoint("/waste", { workers })
  async waste(): Promise<string> {
    waste(10);
    return "done";
  }

  /** The time of a fixed amount of work in a worker, in milliseconds. */
  @endpoint("/compute", { output: Type.Number(), workers })
  async compute(): Promise<number> {
    return compute();
  }

  /** The same in the server's process. */
  @endpoint("/compute-here", { output: Type.Number() })
  async computeHere(): Promise<number> {
    return compute();
  }
}

const url = { host: "127.0.0.1", port: 0, metricsPort: 0 };
await new PooledPainter().serve({ ...url, onListening: (address) => announce(address.url) });
