#!/usr/bin/env node
import { createProgram } from "./program.ts";

// A reader that has seen enough (`servable openapi app.ts | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
await createProgram().parseAsync();
