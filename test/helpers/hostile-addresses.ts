/** Addresses that are not public, in IPv4. */
export const INSIDE_V4: readonly string[] = [
  "127.0.0.1",
  "127.255.255.254",
  "10.0.0.1",
  "172.16.5.5",
  "172.31.255.255",
  "192.168.1.1",
  "169.254.169.254", // metadata of most clouds
  "169.254.170.2", // credentials of containers
  "100.64.0.1",
  "100.100.100.200", // metadata
  "168.63.129.16", // the agent of a virtual machine
  "192.0.0.192", // metadata
  "0.0.0.0",
  "0.1.2.3",
  "224.0.0.1",
  "239.255.255.250",
  "240.0.0.1",
  "255.255.255.255",
  "192.0.2.1",
  "198.51.100.1",
  "203.0.113.1",
  "198.18.0.1",
  "192.88.99.1",
];

/** Addresses that are not public, in IPv6 and without an IPv4 address. */
export const INSIDE_V6: readonly string[] = [
  "::",
  "::1",
  "fc00::1",
  "fd00:ec2::254", // metadata
  "fd20:ce::254", // metadata
  "fe80::1",
  "febf::1",
  "fec0::1",
  "ff02::1",
  "ff0e::1",
  "100::1",
  "2001:db8::1",
  "3fff::1",
  "2001:10::1",
  "2001:20::1",
  "2001:2::1",
  "5f00::1",
  "4000::1",
  "e000::1",
  "64:ff9b:1::1",
];

/** Public addresses, which tests never connect to. */
export const PUBLIC: readonly string[] = [
  "8.8.8.8",
  "93.184.215.14",
  "2606:4700::1111",
  "2a00:1450:4001::200e",
];

/** How an IPv4 address can be written in a URL, as it is or inside an IPv6 address. */
export const NOTATIONS: Readonly<Record<string, (address: string) => string>> = {
  dotted: (address) => address,
  "trailing dot": (address) => `${address}.`,
  decimal: (address) => String(numberOf(address)),
  hex: (address) => `0x${numberOf(address).toString(16)}`,
  octal: (address) => `0${numberOf(address).toString(8)}`,
  "dotted hex": (address) => parts(address, (byte) => `0x${byte.toString(16)}`),
  "dotted octal": (address) => parts(address, (byte) => `0${byte.toString(8)}`),
  "octal with zeros": (address) => parts(address, (byte) => `000${byte.toString(8)}`),
  "two parts": (address) => `${bytesOf(address)[0]}.${numberOf(address) % 2 ** 24}`,
  "three parts": (address) => `${address.split(".").slice(0, 2).join(".")}.${numberOf(address) % 2 ** 16}`,
  "percent-encoded": (address) => address.replaceAll(".", "%2e").replace("1", "%31"),
  "full-width": (address) =>
    address.replaceAll(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit))),
  "ideographic dots": (address) => address.replaceAll(".", "\u3002"),
  mapped: (address) => `[::ffff:${address}]`,
  "mapped, in hex": (address) => `[::ffff:${words(address)}]`,
  "mapped, long": (address) => `[0:0:0:0:0:FFFF:${words(address)}]`,
  compatible: (address) => `[::${address}]`,
  translated: (address) => `[::ffff:0:${words(address)}]`,
  NAT64: (address) => `[64:ff9b::${words(address)}]`,
  "local NAT64": (address) => `[64:ff9b:1::${words(address)}]`,
  "6to4": (address) => `[2002:${words(address)}::1]`,
  "Teredo, client": (address) => `[2001:0:808:808:0:0:${words(inverted(address))}]`,
  "Teredo, server": (address) => `[2001:0:${words(address)}:0:0:f7f7:f7f7]`,
  ISATAP: (address) => `[2606:4700::5efe:${words(address)}]`,
};

function bytesOf(address: string): number[] {
  return address.split(".").map(Number);
}

function numberOf(address: string): number {
  return Buffer.from(bytesOf(address)).readUInt32BE();
}

function parts(address: string, write: (byte: number) => string): string {
  return bytesOf(address).map(write).join(".");
}

function words(address: string): string {
  const hex = Buffer.from(bytesOf(address)).toString("hex");
  return `${hex.slice(0, 4)}:${hex.slice(4)}`;
}

function inverted(address: string): string {
  return parts(address, (byte) => String(byte ^ 0xff));
}
