/** Maximum length of a file's name, in bytes of UTF-8: the limit of most file systems. */
const MAX_NAME_BYTES = 200;

/**
 * The name of a fetched file: from the answer's Content-Disposition header, otherwise the last part of the URL's path.
 * It is a name without folders, control characters and leading dots, so that it is safe in any folder. Undefined if
 * there is none.
 */
export function fileNameOf(url: URL, disposition: string | undefined): string | undefined {
  const named = disposition === undefined ? undefined : safeName(dispositionName(disposition));
  return named ?? safeName(decoded(url.pathname.split("/").at(-1) ?? ""));
}

/** The parameter `filename*`, or `filename`, of a Content-Disposition header (RFC 6266). */
function dispositionName(header: string): string {
  const parameters = new Map<string, string>();
  for (const [, name = "", quoted, token = ""] of header.matchAll(
    /;\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g,
  )) {
    const value = quoted === undefined ? token : quoted.replaceAll(/\\(.)/g, "$1");
    if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), value);
  }
  const extended = /^(utf-8|iso-8859-1)'[^']*'(.*)$/i.exec(parameters.get("filename*") ?? "");
  if (extended !== null) {
    const [, charset = "", value = ""] = extended;
    return charset.toLowerCase() === "utf-8" ? decoded(value) : latin1(value);
  }
  return utf8(parameters.get("filename") ?? "");
}

/** Many servers send UTF-8, which HTTP reads as Latin-1. */
function utf8(text: string): string {
  if (/[^\0-\xff]/.test(text)) return text;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(text, "latin1"));
  } catch {
    return text;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function latin1(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function safeName(name: string): string | undefined {
  const base = name.split(/[/\\]/).at(-1) ?? "";
  // Half of a surrogate pair can't be written: the conversion to bytes replaces it.
  const clean = Buffer.from(base)
    .toString()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}<>:"|?*]/gu, "")
    .trim()
    .replace(/^\.+/, "")
    .replace(/[. ]+$/, "");
  if (clean === "") return undefined;
  return Buffer.byteLength(clean) <= MAX_NAME_BYTES ? clean : shortened(clean);
}

/** Truncates a name before its extension. */
function shortened(name: string): string {
  const extension = /\.\w{1,16}$/.exec(name)?.[0] ?? "";
  const stem = Buffer.from(name).subarray(0, MAX_NAME_BYTES - extension.length);
  return stem.toString().replace(/\uFFFD+$/, "") + extension;
}
