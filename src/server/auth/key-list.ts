import { hash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { DefinitionError } from "../../errors.ts";

/** Keys that callers may send: in the code, in an environment variable, or in a file. */
export type KeySource =
  | { readonly keys: readonly string[] | Readonly<Record<string, string>> }
  | { readonly env: string }
  | { readonly file: string };

/** The caller that a key belongs to. */
export interface KeyCaller {
  /** The name of the key: as given, otherwise `key-1`, `key-2`, … by its position. */
  readonly name: string;
}

type Entry = readonly [name: string | undefined, key: string];

/** The accepted keys. Only their hashes are kept. */
export class KeyList {
  readonly #entries: readonly { readonly caller: KeyCaller; readonly digest: Buffer }[];

  private constructor(entries: readonly Entry[], where: string) {
    if (entries.length === 0) throw invalid(`${where} holds no key.`);
    const names = new Set<string>();
    const digests = new Set<string>();
    this.#entries = entries.map(([given, key], index) => {
      const name = given ?? `key-${index + 1}`;
      // A key is never part of a message.
      if (typeof key !== "string" || !KEY.test(key)) {
        throw invalid(`${where}: ${name} is not a valid key; use visible ASCII characters without spaces.`);
      }
      const digest = digestOf(key);
      if (names.has(name)) throw invalid(`${where}: the name ${name} occurs twice.`);
      if (digests.has(digest.toString("hex"))) throw invalid(`${where}: ${name} repeats another key.`);
      names.add(name);
      digests.add(digest.toString("hex"));
      return { caller: Object.freeze({ name }), digest };
    });
  }

  /** Reads the keys of a source. @throws DefinitionError if there are none, or one is invalid */
  static read(source: KeySource): KeyList {
    if ("keys" in source) {
      const { keys } = source;
      const entries = isList(keys)
        ? keys.map((key): Entry => [undefined, key])
        : Object.entries(keys).map(([name, key]): Entry => [name, key]);
      return new KeyList(entries, "bearerTokens()");
    }
    if ("env" in source) {
      const text = process.env[source.env];
      if (text === undefined) throw invalid(`bearerTokens(): the variable ${source.env} is not set.`);
      return new KeyList(entriesOf(text, source.env), source.env);
    }
    return new KeyList(entriesOf(readText(source.file), source.file), source.file);
  }

  /** The caller with this key; undefined for an unknown key. Takes the same time whichever key it is. */
  find(key: string): KeyCaller | undefined {
    const digest = digestOf(key);
    let found: KeyCaller | undefined;
    for (const entry of this.#entries) if (timingSafeEqual(entry.digest, digest)) found = entry.caller;
    return found;
  }
}

const KEY = /^[\x21-\x7e]+$/;

function digestOf(key: string): Buffer {
  return hash("sha256", key, "buffer");
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw invalid(`The file with keys can't be read: ${(error as Error).message}`);
  }
}

/** One key per line or comma, with an optional name before it: `alice KEY`. Lines that start with `#` are comments. */
function entriesOf(text: string, where: string): Entry[] {
  return text.split("\n").flatMap((line, index) => {
    if (line.trimStart().startsWith("#")) return [];
    return line.split(",").flatMap((part): Entry[] => {
      const [first, second, ...more] = part.split(/\s+/).filter((word) => word !== "");
      if (first === undefined) return [];
      if (more.length > 0) throw invalid(`${where}, line ${index + 1}: write "KEY" or "NAME KEY".`);
      return second === undefined ? [[undefined, first]] : [[first, second]];
    });
  });
}

function isList(keys: readonly string[] | Readonly<Record<string, string>>): keys is readonly string[] {
  return Array.isArray(keys);
}

function invalid(message: string): DefinitionError {
  return new DefinitionError("SETTING_INVALID", message);
}
