#!/usr/bin/env node
import { isServing } from "../output/serving-streams.ts";
import { createProgram } from "./program.ts";

/** Commands of fal's own command line that are missing here, with the alternative. */
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

process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
  if (isServing()) return; // Serving continues without the log.
  // Expected when the reader closes early: `servable openapi app.ts | head`.
  if (code === "EPIPE") process.exit(0);
  process.stderr.write(`error: Standard output can't be written: ${message}\n`);
  process.exit(1);
});
// Work continues if standard error is closed (`servable build app.ts 2>&1 | head`): stopping would leave a build running and
// its files behind.
process.stderr.on("error", () => {});
const absence = absentCommand(process.argv.slice(2));
if (absence === undefined) await createProgram().parseAsync();
else {
  process.stderr.write(`error: ${absence}\n`);
  process.exitCode = 1;
}

/** The message for a command that only fal's own command line has. */
function absentCommand([name = ""]: readonly string[]): string | undefined {
  const advice = ABSENT.find(([names]) => names.includes(name))?.[1];
  return advice === undefined ? undefined : `There is no "servable ${name}": ${advice}`;
}
