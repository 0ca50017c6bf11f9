import type { Static, TSchema } from "typebox";
import type { BatchContext, RequestContext } from "../context.ts";
import type { AnyMethod, IsAny, IsUnresolved } from "./handler-types.ts";
import type { RealtimeMode } from "./signature.ts";

type Not<Message extends string> = `@realtime: ${Message}`;

type InputOf<Input> = Input extends TSchema ? Static<Input> : Record<string, unknown>;
type OutputOf<Output> = Output extends TSchema ? Static<Output> : object;

/** What the method is called with first, by mode. */
type FirstArgument<Input, Mode extends RealtimeMode, Batched> = Mode extends "client_streaming" | "bidi"
  ? AsyncIterable<InputOf<Input>>
  : Batched extends false
    ? InputOf<Input>
    : InputOf<Input>[];

type ArgumentHint<Mode extends RealtimeMode, Batched> = Mode extends "client_streaming" | "bidi"
  ? Not<"in this mode the method gets a stream; write (inputs: AsyncIterable<Static<typeof Schema>>, ctx)">
  : Batched extends false
    ? Not<"the first parameter does not accept the input; write (input: Static<typeof Schema>, ctx)">
    : Not<"with maxBatchSize above 1 the method gets an array; write (inputs: Static<typeof Schema>[], ctx)">;

type CheckArguments<
  Args extends readonly unknown[],
  Input,
  Mode extends RealtimeMode,
  Batched,
> = Args extends readonly []
  ? unknown
  : IsAny<Args[0]> extends true
    ? Not<"the input is `any`; write its type, Static<typeof Schema>">
    : [FirstArgument<Input, Mode, Batched>] extends [Args[0]]
      ? Batched extends "shared"
        ? CheckBatchContext<Args>
        : CheckContext<Args>
      : ArgumentHint<Mode, Batched>;

type CheckBatchContext<Args extends readonly unknown[]> = Args extends readonly [unknown?]
  ? unknown
  : Args extends readonly [unknown?, unknown?]
    ? IsAny<Args[1]> extends true
      ? Not<"the context is `any`; write (inputs, batch: BatchContext)">
      : [BatchContext] extends [Args[1]]
        ? unknown
        : Not<"a shared batch has many callers; write (inputs, batch: BatchContext)">
    : Not<"the method is called with (inputs, batch) and nothing more">;

type CheckContext<Args extends readonly unknown[]> = Args extends readonly [unknown?]
  ? unknown
  : Args extends readonly [unknown?, unknown?]
    ? IsAny<Args[1]> extends true
      ? Not<"the context is `any`; write (…, ctx: RequestContext)">
      : [RequestContext] extends [Args[1]]
        ? unknown
        : Not<"the second parameter is the context; write (…, ctx: RequestContext)">
    : Not<"the method is called with (input, ctx) and nothing more">;

type CheckValue<Value, Output> =
  IsAny<Value> extends true
    ? Not<"a result is `any`; give the method a return type that fits the `output` schema">
    : [Value] extends [never]
      ? unknown
      : [Value] extends [readonly unknown[]]
        ? Not<"a result is a list; outputs are objects, put the list into one">
        : [Value] extends [OutputOf<Output>]
          ? unknown
          : Not<"a result does not fit the `output` schema, or is no object; return Static<typeof Schema>">;

type CheckResult<Result, Output, Mode extends RealtimeMode, Batched> =
  IsAny<Result> extends true
    ? CheckValue<Result, Output>
    : [Result] extends [never]
      ? unknown
      : Mode extends "server_streaming" | "bidi"
        ? [Result] extends [AsyncIterable<infer Item>]
          ? CheckValue<Item, Output>
          : Not<"in this mode the method must return an async iterable; write `async *name(…)`">
        : [Result] extends [AsyncIterable<unknown>]
          ? Mode extends "client_streaming"
            ? Not<"the method returns an async iterable; write `mode: 'bidi'` for streams both ways">
            : Not<"the method returns an async iterable; add `mode: 'server_streaming'`">
          : Batched extends false
            ? CheckValue<Result, Output>
            : [Result] extends [readonly (infer Item)[]]
              ? CheckValue<Batched extends "shared" ? WithoutErrors<Item> : Item, Output>
              : Batched extends "shared"
                ? Not<"a shared batch returns an array, one output (or Error) for each input">
                : CheckValue<Result, Output>;

type WithoutErrors<Item> = IsAny<Item> extends true ? Item : Exclude<Item, Error>;

/** `unknown` when the method fits its schemas and mode, else a string type whose text says what to write. */
export type CheckRealtime<
  Method extends AnyMethod,
  Input,
  Output,
  Mode extends RealtimeMode,
  Batched,
> = Method extends (this: never, ...args: infer Args) => infer Result
  ? IsUnresolved<Args, Result> extends true
    ? unknown
    : unknown extends CheckArguments<Args, Input, Mode, Batched>
      ? CheckResult<Awaited<Result>, Output, Mode, Batched>
      : CheckArguments<Args, Input, Mode, Batched>
  : never;
