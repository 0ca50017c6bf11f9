/** Maximum length of a file's name, in bytes of UTF-8: with the type before it, file systems accept it. */
const MAX_BYTES = 120;
/** Characters that change the direction of text: they make a name look like another one. */
const DIRECTIONS = String.raw`\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069`;
const UNWANTED = new RegExp(String.raw`[\p{Cs}\p{Cc}\p{Zl}\p{Zp}${DIRECTIONS}~]`, "gu");

/** The last part of a name as every storage accepts it, without what can't be seen, and not too long. It keeps its extension. */
export function cleanName(given: string): string {
  const last = given.split(/[/\\]/).at(-1) ?? "";
  const clean = last.replaceAll(UNWANTED, "").trim().replace(/^\.+/, "");
  if (Buffer.byteLength(clean) <= MAX_BYTES) return clean;
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(clean)?.[0] ?? "";
  let short = clean.slice(0, MAX_BYTES);
  while (Buffer.byteLength(short) > MAX_BYTES - extension.length) short = [...short].slice(0, -1).join("");
  return short + extension;
}
