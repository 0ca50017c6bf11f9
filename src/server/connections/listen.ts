import { existsSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { dirname } from "node:path";
import { StartupError } from "../../errors.ts";

/** Where a server listens: on a port, or on a unix socket with this path. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * Listens on a port.
 * @throws StartupError with the reason in one line
 */
export function listen(server: Server, address: ListenAddress, what = "port"): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(listenError(error, address, what));
    server.once("error", onError);
    server.listen(address, () => {
      server.removeListener("error", onError);
      resolve();
    });
  });
}

/**
 * Checks that an address is free before setup, which may take minutes. Removes the file of a unix socket whose server has
 * ended.
 * @throws StartupError
 */
export async function assertFree(address: ListenAddress, what = "port"): Promise<void> {
  if ("path" in address) {
    assertShort(address.path);
    await removeStale(address.path);
  } else if (address.port === 0) {
    return;
  }
  const probe = createServer();
  await listen(probe, address, what);
  await new Promise((resolve) => probe.close(resolve));
}

/** Longest path of a unix socket, in bytes: in the system's structure, a zero follows. */
const LONGEST_PATH = process.platform === "linux" ? 107 : 103;

/** Refuses a path that is too long: Node would create a file with the beginning of its name. */
function assertShort(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= LONGEST_PATH || process.platform === "win32") return;
  const why = `can't be created: its path has ${bytes} bytes; choose one of at most ${LONGEST_PATH}.`;
  throw new StartupError("PORT_UNAVAILABLE", `The unix socket ${path} ${why}`);
}

/** Removes a socket's file that a killed server has left behind. Any other file is kept, and an error. */
async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new StartupError("PORT_UNAVAILABLE", `${path} exists and is not a unix socket; choose another path with --unix-socket.`); // prettier-ignore
  }
  const isServed = await new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => (probe.destroy(), resolve(true)));
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
  if (!isServed) unlinkSync(path);
}

/** The error for an address that can't be opened, with advice. */
export function listenError(
  error: NodeJS.ErrnoException,
  address: ListenAddress,
  what = "port",
): StartupError {
  if ("path" in address) {
    const { path } = address;
    const why: Readonly<Record<string, string>> = {
      EADDRINUSE: "is in use; stop the program that listens there, or choose another with --unix-socket.",
      // Node reports a missing folder in the same way.
      EACCES: existsSync(dirname(path))
        ? "can't be created: this user may not write to its folder."
        : "can't be created: its folder does not exist.",
    };
    const message = `The unix socket ${path} ${why[error.code ?? ""] ?? `can't be opened: ${error.message}`}`;
    return new StartupError("PORT_UNAVAILABLE", message, { cause: error });
  }
  const { host, port } = address;
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
