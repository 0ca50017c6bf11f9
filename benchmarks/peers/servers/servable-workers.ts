// Servable with a handler that computes, in WORKERS processes; 0 runs it in the server's own process.
import { App, endpoint } from "servable";
import { Rounds, Value } from "./schemas.ts";
import { PORT, spin } from "./work.ts";

const workers = Number(process.env["WORKERS"] ?? 0);

export default class Spinner extends App {
  @endpoint("/", { input: Rounds, output: Value, ...(workers > 0 ? { workers } : {}) })
  spin({ rounds }: Rounds): Value {
    return { value: spin(rounds) };
  }
}

await new Spinner().serve({ host: "127.0.0.1", port: PORT, metricsPort: PORT + 1 });
