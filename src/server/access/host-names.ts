/** An optional port, in as many digits as a port can have. */
const PORT = /:\d{0,5}$/;
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.|$)){4}$/;
const ORIGIN = /^https?:\/\/([^/?#@\\\s]+)$/i;

/**
 * The host of a `Host` header or origin without its port: in lower case, without a trailing dot, an IPv6 address in
 * brackets. Undefined for an invalid value.
 */
export function hostNameOf(value: string): string | undefined {
  const host = value.toLowerCase();
  if (host.startsWith("[")) {
    const end = host.indexOf("]");
    const rest = host.slice(end + 1);
    if (end < 0 || (rest !== "" && !/^:\d{0,5}$/.test(rest))) return undefined;
    return shortIpv6(host.slice(0, end + 1));
  }
  const name = host.replace(PORT, "").replace(/\.$/, "");
  return NAME.test(name) ? name : undefined;
}

/** The canonical short form of the address, with brackets. */
function shortIpv6(address: string): string | undefined {
  if (!/^\[[0-9a-f:.]+\]$/.test(address)) return undefined;
  try {
    return new URL(`http://${address}/`).hostname;
  } catch {
    return undefined;
  }
}

/** Whether a name returned by {@link hostNameOf} always resolves to this machine. */
export function isLoopbackName(name: string): boolean {
  if (name === "localhost" || name.endsWith(".localhost") || name === "[::1]") return true;
  if (/^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(name)) return true; // 127.0.0.0/8 in IPv6
  return name.startsWith("127.") && IPV4.test(name);
}

/** Whether a name is an IP address, which DNS can't redirect. */
export function isAddress(name: string): boolean {
  return name.startsWith("[") || IPV4.test(name);
}

/** Whether a socket bound to this address can be reached from this machine only. */
export function isLoopbackAddress(address: string): boolean {
  return isLoopbackName(address.includes(":") ? (shortIpv6(`[${address}]`) ?? "") : address);
}

/** The host, with its port, of an http origin; undefined for `null`, other schemes and invalid origins. */
export function hostOfOrigin(origin: string): string | undefined {
  return ORIGIN.exec(origin)?.[1];
}
