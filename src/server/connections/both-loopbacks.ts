import type { FastifyInstance } from "fastify";
import { createServer } from "node:net";
import type { Connections } from "./connections.ts";

/**
 * Also opens a server's port on the IPv6 address of `localhost`, which some clients try first. Its connections are handed
 * to the server: Fastify's own second server would have none of its checks, time limits and certificates. To be called
 * before the server is ready.
 * @param ends gets a promise that resolves when these connections are closed, once the server stops
 */
export function listenOnBothLoopbacks(
  server: FastifyInstance,
  connections: Connections,
  ends: Promise<unknown>[],
): void {
  const main = server.server;
  const second = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (connections.count >= (main.maxConnections ?? Infinity)) socket.destroy();
    else main.emit("connection", socket);
  });
  second.on("error", () => {}); // this machine has no IPv6, or another program has the port there
  main.once("listening", () => {
    const address = main.address();
    if (typeof address === "object" && address !== null)
      second.listen({ host: "::1", port: address.port, ipv6Only: true });
  });
  server.addHook("preClose", async () => {
    ends.push(new Promise((resolve) => second.close(resolve)));
  });
}
