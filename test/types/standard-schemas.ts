import { App, endpoint, realtime, type InferInput, type InferOutput, type StandardSchema } from "servable";
import { Type } from "typebox";

/** A schema of a library that converts texts to numbers. */
declare const Converted: StandardSchema<{ n: string }, { n: number }>;
/** A schema that is a function, as those of ArkType. */
declare const Callable: StandardSchema<{ n: string }, { n: number }> & ((value: unknown) => unknown);
/** A schema of TypeBox. */
const Plain = Type.Object({ n: Type.Number() });

export const input: InferInput<typeof Converted> = { n: "1" };
export const output: InferOutput<typeof Converted> = { n: 1 };
export const plain: InferInput<typeof Plain> & InferOutput<typeof Plain> = { n: 1 };
// @ts-expect-error the converted value is a number
export const wrong: InferOutput<typeof Converted> = { n: "1" };

export class Accepted extends App {
  @endpoint("/a", { input: Converted, output: Converted })
  a({ n }: { n: number }): { n: string } {
    return { n: String(n) };
  }

  @endpoint("/b", { input: Callable, output: Callable })
  async b({ n }: InferOutput<typeof Callable>): Promise<InferInput<typeof Callable>> {
    return { n: String(n) };
  }

  @endpoint("/c", { input: Converted, output: Plain, batch: { maxSize: 2, cost: ({ n }) => n } })
  c(inputs: { n: number }[]): { n: number }[] {
    return inputs;
  }

  @endpoint("/d", { output: Converted, stream: true })
  async *d(): AsyncGenerator<{ n: string }> {
    yield { n: "1" };
  }

  @realtime("/e", { input: Converted, output: Callable })
  e({ n }: { n: number }): { n: string } {
    return { n: String(n) };
  }
}

export class Refused extends App {
  // @ts-expect-error the method gets the converted value
  @endpoint("/a", { input: Converted })
  a(value: { n: string }): void {
    void value;
  }

  // @ts-expect-error the result is converted after the method returned it
  @endpoint("/b", { output: Converted })
  b(): { n: number } {
    return { n: 1 };
  }

  // @ts-expect-error items are converted, too
  @endpoint("/c", { output: Callable, stream: true })
  async *c(): AsyncGenerator<{ n: number }> {
    yield { n: 1 };
  }

  // @ts-expect-error a batch gets converted values
  @endpoint("/d", { input: Callable, batch: { maxSize: 2 } })
  d(inputs: { n: string }[]): unknown[] {
    return inputs;
  }

  // @ts-expect-error a session's output is converted after the method returned it
  @realtime("/e", { input: Converted, output: Converted })
  e(value: { n: number }): { n: number } {
    return value;
  }
}
