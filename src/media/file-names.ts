import { randomBytes } from "node:crypto";
import { extensionOf } from "./content-inspection.ts";

/** Maximum length of a file's name, in bytes of UTF-8: with the type before it, file systems accept it. */
const MAX_BYTES = 120;

/** The name under which a file is stored: the given one as far as every storage accepts it, otherwise a random one. */
export function storedName(given: string | undefined, contentType: string): string {
  const name = cleanName(given ?? "");
  return name === "" ? `${randomBytes(16).toString("hex")}${extensionOf(contentType)}` : name;
}

/** The last part of a name, without control characters, and not too long. It keeps its extension. */
function cleanName(given: string): string {
  const last = given.split(/[/\\]/).at(-1) ?? "";
  const clean = last
    .replaceAll(/[\p{Cs}\p{Cc}\p{Zl}\p{Zp}~]/gu, "")
    .trim()
    .replace(/^\.+/, "");
  if (Buffer.byteLength(clean) <= MAX_BYTES) return clean;
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(clean)?.[0] ?? "";
  let short = clean.slice(0, MAX_BYTES);
  while (Buffer.byteLength(short) > MAX_BYTES - extension.length) short = [...short].slice(0, -1).join("");
  return short + extension;
}
