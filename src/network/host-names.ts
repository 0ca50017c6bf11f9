import { lookup, Resolver } from "node:dns/promises";
import { FetchError } from "../file-errors.ts";

/** Resolves a host's name to its addresses, once. Rejects with a {@link FetchError} or the signal's reason. */
export type HostResolver = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/** Maximum number of addresses of a name that are used. */
const MAX_ADDRESSES = 32;

/** Options of {@link createResolver}. */
export interface ResolverOptions {
  /** DNS servers, as `host:port`. Default: those of the system. */
  readonly servers?: readonly string[];
}

/**
 * A resolver that asks DNS servers directly. The system's own resolver would block one of the few threads of this
 * process for as long as a server of the caller's choice does not answer.
 */
export function createResolver({ servers }: ResolverOptions = {}): HostResolver {
  return async (host, signal) => {
    const resolver = new Resolver({ timeout: 2500, tries: 3 });
    if (servers !== undefined) resolver.setServers(servers);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      const found = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
      signal.throwIfAborted();
      const addresses = found.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
      if (addresses.length > 0) return addresses.slice(0, MAX_ADDRESSES);
      throw unresolved(host, (found[0] as PromiseRejectedResult).reason);
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  };
}

/** Resolves a name as all programs of this machine do: with its file of hosts, and the search list of its network. */
export const resolveBySystem: HostResolver = async (host, signal) => {
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    const found = await Promise.race([lookup(host, { all: true }), aborted]);
    return found.slice(0, MAX_ADDRESSES).map(({ address }) => address);
  } catch (error) {
    signal.throwIfAborted();
    throw unresolved(host, error);
  } finally {
    if (abort !== undefined) signal.removeEventListener("abort", abort);
  }
};

function unresolved(host: string, cause: unknown): FetchError {
  return new FetchError("dns", `The name of the host ${host} could not be resolved.`, { cause });
}
