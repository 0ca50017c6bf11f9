import { stripVTControlCharacters } from "node:util";

/** Somebody else's text as it can be shown on a terminal: lines and tabs stay, what would move or colour things does not. */
export function terminalText(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
}
