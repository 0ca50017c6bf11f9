/**
 * A function that is served from a container, for the tests.
 * @module
 */
import { Type, type Static } from "typebox";
import { fn } from "../../src/index.ts";
import { TEST_IMAGE } from "./container-image.ts";

const Person = Type.Object({ name: Type.String() });

export const serveGreeting = fn(
  {
    image: TEST_IMAGE,
    keepAlive: 1,
    requirements: ["typebox@^1"],
    serve: true,
    exposedPort: 0,
    metricsPort: 0,
    input: Person,
  },
  ({ name }: Static<typeof Person>) => `hello ${name}`,
);
