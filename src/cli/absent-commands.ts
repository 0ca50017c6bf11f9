/** Commands of fal's own command line that have no counterpart, with what does it here. */
const ABSENT: readonly (readonly [names: readonly string[], advice: string])[] = [
  [
    ["account", "accounts", "team", "teams"],
    "a key belongs to one account, and nothing else is used to log in. Keep a key of each account in a profile " +
      '("servable auth login --profile NAME"), and choose with --profile or FAL_PROFILE.',
  ],
  [["files", "file"], "the platform's storage is not reached from here; use fal's own command line."],
  [["api"], "call the app at the address that servable deploy printed, with curl or a client of fal's."],
  [["completion"], "there are no completion scripts."],
];

/** Why there is no such command, where fal's own command line has it and this one has not. */
export function absentCommand([name = ""]: readonly string[]): string | undefined {
  const advice = ABSENT.find(([names]) => names.includes(name))?.[1];
  return advice === undefined ? undefined : `There is no "servable ${name}": ${advice}`;
}
