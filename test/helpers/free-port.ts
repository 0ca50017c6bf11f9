import { once } from "node:events";
import { createServer } from "node:net";

/** Below the ephemeral ports, which systems assign to sockets that listen on port 0 or connect. */
const FIRST = 20_000;
const COUNT = 10_000;

/** A free port of 127.0.0.1 outside the ephemeral range, so that no other socket gets it unless it asks for it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    const server = createServer();
    try {
      await once(server.listen(port, "127.0.0.1"), "listening");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      continue;
    }
    server.close();
    await once(server, "close");
    return port;
  }
}
