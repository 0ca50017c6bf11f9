/** Optional port, any number of digits that a port can have. */
const PORT = /:\d{0,5}$/;
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.|$)){4}$/;
const ORIGIN = /^https?:\/\/([^/?#@\\\s]+)$/i;

/**
 * The host that a `Host` header or an origin names, without its port: in lower case, without the dot at the end, an IPv6
 * address in brackets. Undefined when it is not exactly a host with an optional port.
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

/** The same address in its one short form, brackets included. */
function shortIpv6(address: string): string | undefined {
  if (!/^\[[0-9a-f:.]+\]$/.test(address)) return undefined;
  try {
    return new URL(`http://${address}/`).hostname;
  } catch {
    return undefined;
  }
}

/** Whether a name as {@link hostNameOf} gives it always leads to this machine. */
export function isLoopbackName(name: string): boolean {
  if (name === "localhost" || name.endsWith(".localhost") || name === "[::1]") return true;
  if (/^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(name)) return true; // 127.0.0.0/8 in IPv6
  return name.startsWith("127.") && IPV4.test(name);
}

/** Whether it is an address: no name server has a say in where that leads. */
export function isAddress(name: string): boolean {
  return name.startsWith("[") || IPV4.test(name);
}

/** Whether a socket that is bound to this address is reached from this machine alone. */
export function isLoopbackAddress(address: string): boolean {
  return isLoopbackName(address.includes(":") ? (shortIpv6(`[${address}]`) ?? "") : address);
}

/** The host, with its port, of an http origin; undefined for `null`, other schemes and what is no origin. */
export function hostOfOrigin(origin: string): string | undefined {
  return ORIGIN.exec(origin)?.[1];
}
