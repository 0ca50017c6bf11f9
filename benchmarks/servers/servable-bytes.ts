// The same route as a servable, served as in production.
import { App, bytes, endpoint } from "servable";
import { announce } from "./announcement.ts";

/** Sends back what it gets. */
export class Mirror extends App {
  @endpoint("/", {
    input: bytes({ contentType: "application/octet-stream" }),
    output: bytes({ contentType: "image/png" }),
  })
  async mirror(input: Uint8Array): Promise<Uint8Array> {
    return input;
  }
}

await new Mirror().serve({
  host: "127.0.0.1",
  port: 0,
  metricsPort: 0,
  onListening: ({ url }) => announce(url),
});
