import { createServer, type Server } from "node:net";
import { StartupError } from "../../errors.ts";

/**
 * Listens on a port.
 * @throws StartupError with the reason in one line
 */
export function listen(server: Server, host: string, port: number, what = "port"): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(portError(error, host, port, what));
    server.once("error", onError);
    server.listen({ host, port }, () => {
      server.removeListener("error", onError);
      resolve();
    });
  });
}

/**
 * Checks that a port is free before setup, which may take minutes.
 * @throws StartupError
 */
export async function assertPortFree(host: string, port: number, what = "port"): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await listen(probe, host, port, what);
  await new Promise((resolve) => probe.close(resolve));
}

/** The error for a port that can't be opened, with advice. */
export function portError(
  error: NodeJS.ErrnoException,
  host: string,
  port: number,
  what = "port",
): StartupError {
  const flag = what === "port" ? "--port" : "--metrics-port";
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: `is in use; stop the program that listens there, or choose another with ${flag}.`,
    EACCES: `needs more rights; choose one above 1023 with ${flag}.`,
    EADDRNOTAVAIL: `can't be opened: ${host} is not an address of this machine; choose another with --host.`,
    ENOTFOUND: `can't be opened: the host ${host} is unknown; choose another with --host.`,
  };
  const message = `The ${what} ${port} on ${host} ${why[error.code ?? ""] ?? `can't be opened: ${error.message}`}`;
  return new StartupError("PORT_UNAVAILABLE", message, { cause: error });
}
