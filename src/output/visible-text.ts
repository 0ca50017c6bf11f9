/**
 * Characters that change how a terminal displays the text after them: delete and the C1 controls (U+009B begins a
 * command like ESC [), line and paragraph separators, and those that change the text direction.
 */
const UNSAFE = "\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069";

const UNSAFE_CHARACTER = new RegExp(`[${UNSAFE}]`, "g");
const UNSAFE_CHARACTERS = new RegExp(`[\\u0000-\\u0008\\u000b-\\u001f${UNSAFE}]`, "g");

/** Escapes unsafe characters in JSON text; its value is unchanged. */
export function escapeUnsafe(json: string): string {
  return json.replace(UNSAFE_CHARACTER, unicodeEscape);
}

/** An escape in JSON text, or an unescaped character that is unsafe to display. */
const JSON_ESCAPE = new RegExp(`\\\\(?:u([0-9a-fA-F]{4})|([^]))|[${UNSAFE}]`, "g");

/** Makes control characters in the texts of JSON visible as escapes such as `\u001b`; line breaks and tabs stay. */
export function showControls(json: string): string {
  return json.replace(JSON_ESCAPE, (found, code: string | undefined, letter: string | undefined) => {
    if (letter !== undefined) return "bfr".includes(letter) ? `\\\\${letter}` : found;
    if (code === undefined) return `\\\\u${hex(found)}`;
    const character = String.fromCharCode(Number.parseInt(code, 16));
    if (character === "\n" || character === "\t") return found;
    return character < " " || hasUnsafe(character) ? `\\${found}` : found;
  });
}

/** Removes control characters; line breaks and tabs stay. */
export function withoutControls(text: string): string {
  return text.replace(UNSAFE_CHARACTERS, "");
}

function hasUnsafe(character: string): boolean {
  UNSAFE_CHARACTER.lastIndex = 0;
  return UNSAFE_CHARACTER.test(character);
}

function unicodeEscape(character: string): string {
  return `\\u${hex(character)}`;
}

function hex(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(4, "0");
}
