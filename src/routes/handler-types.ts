import type { Static, TSchema } from "typebox";
import type { BatchContext, RequestContext } from "../context.ts";

/** A schema. TypeBox's own type is an empty interface, which a text or a number fits as well. */
export type SchemaObject = TSchema & object;

/** Any method; parameters are contravariant, so `never` accepts them all without `any`. */
export type AnyMethod = (this: never, ...args: never[]) => unknown;

/** True for `any` alone. */
export type IsAny<T> = 0 extends 1 & T ? true : false;
type Not<Message extends string> = `@endpoint: ${Message}`;

/** The value that an `input` schema describes; a request without one has no body to look at. */
export type InputOf<Input> = Input extends TSchema ? Static<Input> : unknown;

/** What an endpoint's method receives first: its input where there is a schema, else the context. */
type FirstArgument<Input> = Input extends TSchema ? Static<Input> : RequestContext;

type CheckArguments<Args extends readonly unknown[], Input> = Args extends readonly []
  ? unknown
  : IsAny<Args[0]> extends true
    ? Input extends TSchema
      ? Not<"the input is `any`; write (input: Static<typeof Schema>) with the schema given as `input`">
      : Not<"the argument is `any`; write (ctx: RequestContext), or give the endpoint an `input` schema">
    : [FirstArgument<Input>] extends [Args[0]]
      ? Input extends TSchema
        ? CheckContext<Args>
        : Args extends readonly [unknown?]
          ? unknown
          : Not<"an endpoint without an `input` schema is called with (ctx) alone">
      : Input extends TSchema
        ? Not<"the first parameter does not accept the input; write (input: Static<typeof Schema>)">
        : Not<"without an `input` schema the method gets (ctx: RequestContext); add `input` to take a body">;

type CheckContext<Args extends readonly unknown[]> = Args extends readonly [unknown?]
  ? unknown
  : Args extends readonly [unknown?, unknown?]
    ? IsAny<Args[1]> extends true
      ? Not<"the context is `any`; write (input, ctx: RequestContext)">
      : [RequestContext] extends [Args[1]]
        ? unknown
        : Not<"the second parameter is the context; write (input, ctx: RequestContext)">
    : Not<"the method is called with (input, ctx) and nothing more">;

type CheckValue<Value, Output, Where extends string> =
  IsAny<Value> extends true
    ? Output extends TSchema
      ? Not<`${Where} is \`any\`; give the method a return type that fits the \`output\` schema`>
      : unknown
    : Output extends TSchema
      ? [Value] extends [Static<Output>]
        ? unknown
        : Not<`${Where} does not fit the \`output\` schema; return Static<typeof Schema>`>
      : unknown;

type CheckResult<Result, Output, Stream> =
  IsAny<Awaited<Result>> extends true
    ? CheckValue<Awaited<Result>, Output, "the result">
    : [Awaited<Result>] extends [never]
      ? unknown // it always throws
      : CheckReturned<Awaited<Result>, Output, Stream>;

type CheckReturned<Result, Output, Stream> = Stream extends true
  ? [Result] extends [(AsyncIterable<infer Item> | Iterable<infer Item>) & object]
    ? CheckValue<Item, Output, "a streamed item">
    : Not<"with `stream: true` the method must return an async iterable; write `async *name(…)`">
  : [Result] extends [AsyncIterable<unknown> | Iterator<unknown>]
    ? Not<"the method returns an async iterable; add `stream: true`">
    : CheckValue<Result, Output, "the result">;

type CheckBatchArguments<Args extends readonly unknown[], Input> = Args extends readonly []
  ? unknown
  : IsAny<Args[0]> extends true
    ? Not<"the inputs are `any`; write (inputs: Static<typeof Schema>[])">
    : [InputOf<Input>[]] extends [Args[0]]
      ? Args extends readonly [unknown?]
        ? unknown
        : Args extends readonly [unknown?, unknown?]
          ? IsAny<Args[1]> extends true
            ? Not<"the context is `any`; write (inputs, batch: BatchContext)">
            : [BatchContext] extends [Args[1]]
              ? unknown
              : Not<"the second parameter is the batch's context; write (inputs, batch: BatchContext)">
          : Not<"the method is called with (inputs, batch) and nothing more">
      : Not<"with `batch` the method gets an array; write (inputs: Static<typeof Schema>[])">;

type CheckBatchResult<Result, Output> =
  IsAny<Result> extends true
    ? CheckValue<Result, Output, "the result">
    : [Result] extends [never]
      ? unknown // it always throws
      : [Result] extends [readonly (infer Item)[]]
        ? [Exclude<Item, Error>] extends [never]
          ? unknown
          : CheckValue<
              IsAny<Item> extends true ? Item : Exclude<Item, Error>,
              Output,
              "an item of the result"
            >
        : Not<"with `batch` the method returns an array, one result (or Error) for each input">;

/**
 * `unknown` when the method fits its schemas, else a string type whose text says what to write. Intersected with
 * the decorated method's own type, the text is what the compiler shows.
 */
export type CheckEndpoint<Method extends AnyMethod, Input, Output, Stream, MaxSize = never> = Method extends (
  this: never,
  ...args: infer Args
) => infer Result
  ? IsUnresolved<Args, Result> extends true
    ? unknown
    : [MaxSize] extends [never]
      ? unknown extends CheckArguments<Args, Input>
        ? CheckResult<Result, Output, Stream>
        : CheckArguments<Args, Input>
      : unknown extends CheckBatchArguments<Args, Input>
        ? CheckBatchResult<Awaited<Result>, Output>
        : CheckBatchArguments<Args, Input>
  : never;

/** TypeScript 5.9 looks at the bound of `Method` before it knows the method; the real one is checked after that. */
export type IsUnresolved<Args extends readonly unknown[], Result> = number extends Args["length"]
  ? [Args[number]] extends [never]
    ? unknown extends Result
      ? true
      : false
    : false
  : false;
