/**
 * Parses JSON with comments and trailing commas, the format of a tsconfig.json.
 * @throws SyntaxError
 */
export function parseJsonWithComments(text: string): unknown {
  // Strings are matched first, so that a "//" or a comma inside one stays.
  const withoutComments = text
    .replace(/^\uFEFF/, "")
    .replaceAll(
      /("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[^]*?\*\//g,
      (_all, quoted: string | undefined) => quoted ?? " ",
    );
  return JSON.parse(
    withoutComments.replaceAll(
      /("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])/g,
      (_all, quoted: string | undefined) => quoted ?? "",
    ),
  );
}
