/** The value of `content-disposition` (RFC 6266): a name in ASCII, and if it differs the name itself in UTF-8. */
export function contentDisposition(filename: string | undefined, isDownload: boolean): string {
  const kind = isDownload ? "attachment" : "inline";
  // Folders and control characters can't be part of the name of a saved file.
  const name = (filename?.split(/[/\\]/).at(-1) ?? "").replaceAll(/[\p{Cc}\p{Cs}]/gu, "");
  if (name === "") return kind;
  const plain = name.replaceAll(/[^\x20-\x7e]/g, "?").replaceAll(/["\\%]/g, "_");
  if (plain === name) return `${kind}; filename="${plain}"`;
  return `${kind}; filename="${plain}"; filename*=UTF-8''${encodeName(name)}`;
}

/** Encodes the characters that RFC 8187 does not allow. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
