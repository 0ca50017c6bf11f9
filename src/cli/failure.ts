import { FalServerlessError } from "../errors.ts";
import { styleFor } from "./style.ts";

/** Says on standard error what went wrong, in a line or two. With `debug`, the stack and its causes too. */
export async function reportFailure(error: unknown, debug: boolean): Promise<void> {
  const { red, dim } = styleFor(process.stderr);
  process.stderr.write(`${red("error:")} ${await explain(error)}\n`);
  if (!debug) return;
  const { inspect } = await import("node:util");
  process.stderr.write(`${dim(inspect(error))}\n`);
}

async function explain(error: unknown): Promise<string> {
  const { messageOf } = await import("./load-failure.ts");
  const { userFrame } = await import("./user-frame.ts");
  if (error instanceof FalServerlessError) {
    // setup() is the user's own code: say where it gave up
    const frame = error.code === "SETUP_FAILED" ? userFrame(error.cause) : undefined;
    return frame === undefined ? error.message : `${error.message}\n  at ${frame}`;
  }
  const frame = userFrame(error);
  return frame === undefined ? messageOf(error) : `${messageOf(error)}\n  at ${frame}`;
}
