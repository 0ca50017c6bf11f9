import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { CorsRules } from "../../src/server/access/cors-rules.ts";
import { cors } from "../../src/settings/cors.ts";
import { Misfit } from "../../src/settings/check.ts";

const SCHEMES = ["https", "http", "capacitor"];
const NAMES = ["a.example", "b.example", "x.a.example", "ax.example", "example", "localhost", "127.0.0.1"];
const PORTS = ["", ":80", ":443", ":8080"];

const origin = fc
  .tuple(fc.constantFrom(...SCHEMES), fc.constantFrom(...NAMES), fc.constantFrom(...PORTS))
  .map(([scheme, name, port]) => ({ scheme, name, port: isUsual(scheme, port) ? "" : port }));
const entry = fc.record({ origin, isBelow: fc.boolean() });

function isUsual(scheme: string, port: string): boolean {
  return (scheme === "https" && port === ":443") || (scheme === "http" && port === ":80");
}

test("an origin is listed exactly if an entry has its scheme and port, and its name or a name above it", () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), origin, fc.string(), (entries, sent, junk) => {
      const rules = new CorsRules({
        origins: entries.map(
          ({ origin: { scheme, name, port }, isBelow }) =>
            `${scheme.toUpperCase()}://${isBelow ? "*." : ""}${name}${port}`,
        ),
      });
      const expected = entries.some(
        ({ origin: { scheme, name, port }, isBelow }) =>
          scheme === sent.scheme &&
          port === sent.port &&
          (isBelow ? sent.name.endsWith(`.${name}`) : sent.name === name),
      );
      const text = `${sent.scheme}://${sent.name}${sent.port}`;
      assert.equal(rules.lists(text), expected, text);
      // Whatever a client puts around it makes another origin.
      for (const other of [
        `${junk}${text}`,
        `${text}${junk}`,
        `${sent.scheme}://${junk}/.${sent.name}${sent.port}`,
      ]) {
        if (other !== text && !/^[a-z]+:\/\/[a-z0-9._-]+(?::\d+)?$/.test(other))
          assert.equal(rules.lists(other), false, other);
      }
    }),
  );
});

test("no value of cors makes the check throw, and what it accepts makes rules", () => {
  fc.assert(
    fc.property(fc.anything(), fc.array(fc.string()), fc.anything(), (anything, origins, more) => {
      for (const value of [
        anything,
        { origins },
        { origins, credentials: more },
        { origins: anything, maxAgeSeconds: more },
      ]) {
        const result = cors(value);
        if (!(result instanceof Misfit)) new CorsRules(result).lists("https://a.example");
      }
    }),
  );
});
