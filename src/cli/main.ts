#!/usr/bin/env node
import { isServing } from "../output/serving-streams.ts";
import { absentCommand } from "./absent-commands.ts";
import { createProgram } from "./program.ts";

process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
  if (isServing()) return; // its requests matter more than its log
  // A reader that has seen enough (`servable openapi app.ts | head`) is no error.
  if (code === "EPIPE") process.exit(0);
  process.stderr.write(`error: Standard output can't be written: ${message}\n`);
  process.exit(1);
});
// Where nobody reads what is said on the way (`servable build app.ts 2>&1 | head`), the work goes on to its end: to stop in
// the middle would leave a build running, and its files behind.
process.stderr.on("error", () => {});
const absence = absentCommand(process.argv.slice(2));
if (absence === undefined) await createProgram().parseAsync();
else {
  process.stderr.write(`error: ${absence}\n`);
  process.exitCode = 1;
}
