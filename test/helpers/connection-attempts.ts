import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { after } from "node:test";

/** Records every address and port that a socket of this process tries to connect to, until the tests have ended. */
export function recordConnectionAttempts(): { readonly address: string; readonly port: number }[] {
  const attempts: { address: string; port: number }[] = [];
  const watch = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    socket.on("connectionAttempt", (address, port) => attempts.push({ address, port }));
  };
  subscribe("net.client.socket", watch);
  after(() => unsubscribe("net.client.socket", watch));
  return attempts;
}
