import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import ipaddr, { type IPv4 } from "ipaddr.js";

/** Checks an IP address, which must be in its usual notation. */
export type AddressCheck = (address: string) => boolean;

/**
 * Addresses that are public by their range, but inside: the host agent of Azure's virtual machines, which gives out
 * settings and certificates.
 */
const INSIDE = new Set(["168.63.129.16"]);

/**
 * The check for public addresses: whether an address belongs to the internet, and not to this machine or its
 * network. An IPv6 address that contains an IPv4 address is public if both are.
 */
export function createPublicCheck(): AddressCheck {
  const own = new Set(
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .map(({ address }) => normalAddress(address)),
  );

  const isPublicV4 = (address: IPv4): boolean =>
    address.range() === "unicast" && !INSIDE.has(address.toString()) && !own.has(address.toString());

  return (text) => {
    const address = normalAddress(text);
    if (address === undefined || own.has(address)) return false;
    const parsed = ipaddr.parse(address);
    if (parsed.kind() === "ipv4") return isPublicV4(parsed as IPv4);
    const bytes = parsed.toByteArray();
    const embedded = embeddedAddresses(bytes);
    if (embedded.some((each) => !isPublicV4(new ipaddr.IPv4([...each])))) return false;
    if (isTransition(bytes)) return true;
    // Only 2000::/3 is in use on the internet.
    return (bytes[0] ?? 0) >> 5 === 1 && parsed.range() === "unicast";
  };
}

/**
 * The notation of an address that URLs have: IPv6 in lower case, shortened and without dots. Undefined for a text that
 * is not an address, and for an address with a zone.
 */
export function normalAddress(address: string): string | undefined {
  const version = isIP(address);
  if (version === 4) return address;
  if (version === 0 || address.includes("%")) return undefined;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** Prefixes of IPv6 addresses that contain an IPv4 address, with the position of its first byte. */
const TRANSITIONS: readonly { readonly prefix: readonly number[]; readonly at: number }[] = [
  { prefix: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], at: 12 }, // mapped
  { prefix: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0], at: 12 }, // NAT64
  { prefix: [0x20, 0x02], at: 2 }, // 6to4
  { prefix: [0x20, 0x01, 0, 0], at: 4 }, // Teredo: its server; the client is below
];

function isTransition(bytes: readonly number[]): boolean {
  return TRANSITIONS.some(({ prefix }) => startsWith(bytes, prefix));
}

function embeddedAddresses(bytes: readonly number[]): number[][] {
  const embedded = TRANSITIONS.filter(({ prefix }) => startsWith(bytes, prefix)).map(({ at }) =>
    bytes.slice(at, at + 4),
  );
  const last = bytes.slice(12);
  const isTeredo = startsWith(bytes, [0x20, 0x01, 0, 0]);
  if (isTeredo) embedded.push(last.map((byte) => byte ^ 0xff));
  // ISATAP: 0:5efe before the IPv4 address, in any network.
  const isIsatap = [0, 2].includes(bytes[8] ?? 1) && startsWith(bytes.slice(9), [0, 0x5e, 0xfe]);
  if (isIsatap && !isTeredo) embedded.push(last);
  return embedded;
}

function startsWith(bytes: readonly number[], prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => bytes[index] === byte);
}
