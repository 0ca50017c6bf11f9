/**
 * A function that is served on a platform, for the tests.
 * @module
 */
import { Type, type Static } from "typebox";
import { FalServerlessHost, fn } from "../../src/index.ts";

const Person = Type.Object({ name: Type.String({ minLength: 1 }) });

export const greet = fn(
  { host: new FalServerlessHost({ onLog() {} }), serve: true, input: Person },
  ({ name }: Static<typeof Person>) => `hello ${name}`,
);

/** Takes a moment, and prints when it has begun. */
export const greetSlowly = fn(
  { host: new FalServerlessHost({ onLog() {} }), serve: true, input: Person },
  async ({ name }: Static<typeof Person>) => {
    console.log("begun");
    await new Promise((resolve) => setTimeout(resolve, 300));
    return `hello ${name}`;
  },
);

if (process.env["LOAD_FOR_EVER"] !== undefined) {
  console.log("loading");
  for (;;);
}

export const neverLoaded = fn(
  { host: new FalServerlessHost({ onLog() {} }), serve: true, input: Person, env: { LOAD_FOR_EVER: "yes" } },
  ({ name }: Static<typeof Person>) => name,
);
