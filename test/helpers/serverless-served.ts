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
