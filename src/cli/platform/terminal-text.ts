import { stripVTControlCharacters } from "node:util";
import { withoutControls } from "../../output/visible-text.ts";

/** Somebody else's text as it can be shown on a terminal: lines and tabs stay, what would move or colour things does not. */
export function terminalText(text: string): string {
  return withoutControls(stripVTControlCharacters(text));
}
