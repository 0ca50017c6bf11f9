// Takes a file as a part of a multipart body, stored in a temporary file.
import { App, endpoint, multipart, upload } from "servable";
import type { Static } from "typebox";
import { announce } from "./announcement.ts";

const Body = multipart({ file: upload({ maxBytes: 200_000_000 }) });

/** Answers with the size of the file. */
export class Store extends App {
  @endpoint("/", { input: Body })
  async store({ file }: Static<typeof Body>): Promise<{ size: number }> {
    return { size: file.size };
  }
}

await new Store().serve({
  host: "127.0.0.1",
  port: 0,
  metricsPort: 0,
  bodyLimitBytes: 200_000_000,
  onListening: ({ url }) => announce(url),
});
