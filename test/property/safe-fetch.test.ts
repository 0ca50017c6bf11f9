import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import * as fc from "fast-check";
import { FetchError } from "../../src/file-errors.ts";
import { createPublicCheck, normalAddress } from "../../src/network/public-address.ts";
import { fetchSafely } from "../../src/media/safe-fetch.ts";
import { recordConnectionAttempts } from "../helpers/connection-attempts.ts";
import { INSIDE_V4, INSIDE_V6, NOTATIONS, PUBLIC } from "../helpers/hostile-addresses.ts";

const attempts = recordConnectionAttempts();
const server = createServer((socket) => {
  socket.on("error", () => {}).on("data", () => socket.end("HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\nok"));
});
before(async () => {
  server.listen(0);
  await once(server, "listening");
});
after(() => server.close());

/** Addresses of this machine; those that end in an odd number are allowed. */
const loopback = fc.nat({ max: 2 ** 16 }).map((host) => `127.0.${host >> 8}.${host & 0xff}`);
const notation = fc.constantFrom(...Object.values(NOTATIONS));
const host = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(loopback, notation).map(([address, write]) => write(address)) },
  { weight: 2, arbitrary: fc.domain() },
  fc.constantFrom(
    "[::1]",
    "localhost",
    "a@127.0.0.1",
    "127.0.0.1@a.test",
    "127.0.0.1#@a.test",
    "a.test\\@127.0.0.3",
  ),
  fc.constantFrom(...INSIDE_V4, ...INSIDE_V6.map((address) => `[${address}]`)),
  fc.tuple(loopback, fc.constantFrom(..."/\\?#@:%\t\n ")).map(([address, mark]) => `a.test${mark}${address}`),
  fc.ipV4Extended(),
  fc.ipV6().map((address) => `[${address}]`),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const resolved = fc.array(fc.oneof(loopback, fc.constantFrom("::1", "::ffff:127.0.0.1", "10.0.0.1")), {
  minLength: 1,
  maxLength: 3,
});

test("for any URL, the address connected to is the one that was checked and allowed", async () => {
  const { port } = server.address() as AddressInfo;
  let reached = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("http://", "HTTP:\\\\", "http:/", " http://"),
      host,
      resolved,
      async (scheme, host, addresses) => {
        attempts.splice(0);
        const checked = new Map<string, boolean>();
        const isAllowed = (address: string): boolean => {
          const isOdd = /^127\..*[13579]$/.test(address) || address === "::1";
          checked.set(normalAddress(address) ?? address, isOdd);
          return isOdd;
        };
        const limits = { maxBytes: 100, timeoutMs: 10_000 };
        const resolve = async (): Promise<string[]> => addresses;
        try {
          const file = await fetchSafely(`${scheme}${host}:${port}/`, limits, { resolve, isAllowed });
          for await (const _ of file.body) reached++;
        } catch (error) {
          assert.ok(error instanceof FetchError, String((error as Error).stack));
        }
        for (const { address } of attempts) {
          assert.equal(checked.get(normalAddress(address) ?? address), true, `${host}: ${address}`);
        }
        if ([...checked.values()].includes(false)) assert.deepEqual(attempts, [], host);
      },
    ),
    { numRuns: 400 },
  );
  assert.ok(reached > 10, `${reached} fetches reached the server`);
});

test("an address is public only if no part of it is inside, in any notation", async () => {
  const isPublic = createPublicCheck();
  for (const address of PUBLIC) assert.ok(isPublic(address), address);
  for (const address of [...INSIDE_V4, ...INSIDE_V6]) assert.ok(!isPublic(address), address);
  const inside = fc.oneof(
    fc.nat({ max: 2 ** 24 - 1 }).map((rest) => [10, rest]),
    fc.nat({ max: 2 ** 24 - 1 }).map((rest) => [127, rest]),
    fc.nat({ max: 2 ** 16 - 1 }).map((rest) => [192, 168 * 2 ** 16 + rest]),
    fc.nat({ max: 2 ** 16 - 1 }).map((rest) => [169, 254 * 2 ** 16 + rest]),
    fc.nat({ max: 2 ** 20 - 1 }).map((rest) => [172, 16 * 2 ** 16 + rest]),
    fc.tuple(fc.integer({ min: 224, max: 255 }), fc.nat({ max: 2 ** 24 - 1 })),
  );
  fc.assert(
    fc.property(inside, notation, ([first = 0, rest = 0], write) => {
      const address = [first, rest >> 16, (rest >> 8) & 0xff, rest & 0xff].join(".");
      const { hostname } = new URL(`http://${write(address)}/`);
      assert.ok(!isPublic(hostname.replaceAll(/[[\]]/g, "")), hostname);
    }),
    { numRuns: 5000 },
  );
  const isV4Public = (address: string): boolean => !INSIDE_V4.includes(address) && isPublic(address);
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      for (const write of [NOTATIONS["mapped"], NOTATIONS["NAT64"], NOTATIONS["6to4"]]) {
        const { hostname } = new URL(`http://${write?.(address)}/`);
        assert.equal(isPublic(hostname.slice(1, -1)), isV4Public(address), hostname);
      }
    }),
  );
});

test("texts that are not addresses are not public", async () => {
  const isPublic = createPublicCheck();
  for (const text of [
    "",
    "x",
    "8.8.8",
    "8.8.8.8.",
    "010.8.8.8",
    "0x8.8.8.8",
    "fe80::1%eth0",
    "2606::1%1",
    "[2606::1]",
  ]) {
    assert.ok(!isPublic(text), text);
  }
});
