/** Settings, and functions for ServeWrapper, that must or must not compile. The type check is the test. */
import { Type } from "typebox";
import {
  App,
  AppException,
  BaseServable,
  ContainerImage,
  endpoint,
  FieldException,
  isServableClass,
  ServeWrapper,
} from "../../src/index.ts";

export class Right extends App {
  static override version = "1.2.0";
  static override appName = "text-to-image";
  static override appAuth = "shared" as const;
  static override machineType = ["GPU-A100", "GPU-H100"];
  static override numGpus = 2;
  static override keepAlive = 300;
  static override requestTimeout = 1.5;
  static override retryConfig = { timeout: { retries: 2 } };
  static override skipRetryConditions = ["server_error"] as const;
  static override image = ContainerImage.fromDockerfileString("FROM node");
  static override privateLogs = true;
  static own = { mine: true };

  @endpoint("/")
  run(): void {}
}

export class Former extends App {
  // @ts-expect-error the setting no longer exists
  static override requirements = ["a@1"];
}

export class Misspelt extends App {
  // @ts-expect-error there is no such setting to override
  static override minConcurency = 1;
  // @ts-expect-error the snake-case name of fal's Python SDK is not a setting
  static override machine_type = "GPU-A100";
}

// @ts-expect-error seconds are a number
export class KeepAlive extends App {
  static override keepAlive = "300";
}
// @ts-expect-error not one of the three allowed values
export class Auth extends App {
  static override appAuth = "secret";
}
// @ts-expect-error a list of names, not a single name
export class Secrets extends App {
  static override secrets = "TOKEN";
}
// @ts-expect-error an unknown condition
export class Retry extends App {
  static override retryConfig = { sometimes: { retries: 2 } };
}
// @ts-expect-error a version is a string
export class Version extends BaseServable {
  static override version = 1.2;
}

export class Hooks extends App {
  // @ts-expect-error hints are strings
  override provideHints(): number[] {
    return [1];
  }
  // @ts-expect-error setup takes no arguments
  override setup(_model: string): void {}
}

const Text = Type.Object({ text: Type.String() });

export const made1 = new ServeWrapper(() => "fine");
export const made2 = new ServeWrapper(({ text }: { text: string }) => ({ text }), {
  input: Text,
  output: Text,
});
export const made3 = new ServeWrapper(async ({ text }: { text: string }) => ({ text }), {
  input: Text,
  output: Text,
});
export const made4 = new ServeWrapper(
  async function* count() {
    yield 1;
  },
  { output: Type.Integer(), stream: true },
);
// @ts-expect-error the input has no number
export const made5 = new ServeWrapper(({ number }: { number: number }) => number, { input: Text });
// @ts-expect-error the result is not a Text
export const made6 = new ServeWrapper(() => 5, { output: Text });
// @ts-expect-error a body needs an input schema
export const made7 = new ServeWrapper(({ text }: { text: string }) => text);
// @ts-expect-error a stream has to be iterable
export const made8 = new ServeWrapper(() => 5, { stream: true });
// @ts-expect-error a function is required
export const made9 = new ServeWrapper({ run: () => 5 });
// @ts-expect-error the class is abstract
export const made10 = new App();

export const made11 = new AppException("message", 418, { cause: new Error("why") });
export const made12 = new FieldException("field", "message", {
  statusCode: 400,
  type: "odd",
  billableUnits: "7",
});
// @ts-expect-error a status is a number
export const made13 = new AppException("message", "418");
// @ts-expect-error units are a number or a numeric string
export const made14 = new FieldException("field", "message", { billableUnits: true });

declare const value: unknown;
if (isServableClass(value)) new value().collectRoutes();
