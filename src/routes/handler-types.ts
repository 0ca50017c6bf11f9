import type { TSchema } from "typebox";
import type { BatchContext, RequestContext, RequestParts } from "../context.ts";
import type { PathParameters } from "./path-pattern.ts";
import type { BytesResult, BytesStream } from "./bytes-result.ts";
import type { RealtimeMode } from "./signature.ts";
import type { InferInput, InferOutput } from "./standard-schema.ts";
import type { StreamEvent } from "./stream-event.ts";

/**
 * A schema of TypeBox, or of a library that implements Standard Schema, whose type it includes: TypeBox's own type is an
 * empty interface, which strings and numbers fit as well.
 */
export type SchemaObject = TSchema & object;

/** Any method; parameters are contravariant, so `never` accepts them all without `any`. */
export type AnyMethod = (this: never, ...args: never[]) => unknown;

/** True for `any`, false for every other type. */
type IsAny<T> = 0 extends 1 & T ? true : false;
type NotEndpoint<Message extends string> = `@endpoint: ${Message}`;

/** The value that an `input` schema describes. Without a schema, the body is ignored. */
export type InputOf<Input> = Input extends TSchema ? InferOutput<Input> : unknown;

/** The type to write in a method for the values of a schema. */
type InputName<Schema> = Schema extends { readonly "~standard": unknown }
  ? "InferOutput<typeof Schema>"
  : "Static<typeof Schema>";
type OutputName<Schema> = Schema extends { readonly "~standard": unknown }
  ? "InferInput<typeof Schema>"
  : "Static<typeof Schema>";

/**
 * The parts of the context that an endpoint's method is called with. Its caller may be of any type, which the class's
 * `authenticate()` determines.
 */
export type PartsOf<Path extends string, Params, Query, Headers> = {
  params: Params extends TSchema ? InferOutput<Params> : { readonly [Name in PathParameters<Path>]: string };
  caller: never;
} & (Query extends TSchema ? { query: InferOutput<Query> } : {}) &
  (Headers extends TSchema ? { headers: InferOutput<Headers> } : {});

/** The context of an endpoint's request, for functions other than the method. The type of the caller is unknown there. */
export type ContextOf<Path extends string, Params, Query, Headers> = RequestContext<
  Omit<PartsOf<Path, Params, Query, Headers>, "caller">
>;

/** The parts of the context of an endpoint without parameters and schemas. */
interface NoParts {
  params: {};
  caller: never;
}

/** The first argument of an endpoint's method: the input if there is a schema, else the context. */
type FirstArgument<Input, Parts extends RequestParts> = Input extends TSchema
  ? InferOutput<Input>
  : RequestContext<Parts>;

type CheckArguments<
  Args extends readonly unknown[],
  Input,
  Parts extends RequestParts,
> = Args extends readonly []
  ? unknown
  : IsAny<Args[0]> extends true
    ? Input extends TSchema
      ? NotEndpoint<`the input is \`any\`; write (input: ${InputName<Input>}) with the schema given as \`input\``>
      : NotEndpoint<"the argument is `any`; write (ctx: RequestContext), or give the endpoint an `input` schema">
    : [FirstArgument<Input, Parts>] extends [Args[0]]
      ? Input extends TSchema
        ? CheckContext<Args, Parts>
        : Args extends readonly [unknown?]
          ? unknown
          : NotEndpoint<"an endpoint without an `input` schema is called with (ctx) alone">
      : Input extends TSchema
        ? NotEndpoint<`the first parameter does not accept the input; write (input: ${InputName<Input>})`>
        : Args[0] extends Pick<RequestContext, "signal">
          ? NotEndpoint<ContextHint>
          : NotEndpoint<"without an `input` schema the method gets (ctx: RequestContext); add `input` to take a body">;

type ContextHint =
  "the context does not fit the schemas and the path; write RequestContext<{ params: Static<typeof Params>; query: …; headers: … }> with the types of the schemas given";

type CheckContext<Args extends readonly unknown[], Parts extends RequestParts> = CheckSecond<
  Args,
  RequestContext<Parts>,
  NotEndpoint<"the context is `any`; write (input, ctx: RequestContext)">,
  Args[1] extends Pick<RequestContext, "signal">
    ? NotEndpoint<ContextHint>
    : NotEndpoint<"the second parameter is the context; write (input, ctx: RequestContext)">,
  NotEndpoint<"the method is called with (input, ctx) and nothing more">
>;

/** Checks what follows the first parameter: nothing, or a parameter that accepts `Context`. */
type CheckSecond<Args extends readonly unknown[], Context, IfAny, IfOther, IfMore> = Args extends readonly [
  unknown?,
]
  ? unknown
  : Args extends readonly [unknown?, unknown?]
    ? IsAny<Args[1]> extends true
      ? IfAny
      : [Context] extends [Args[1]]
        ? unknown
        : IfOther
    : IfMore;

type CheckValue<Value, Output, Where extends string> =
  IsAny<Value> extends true
    ? Output extends TSchema
      ? NotEndpoint<`${Where} is \`any\`; give the method a return type that fits the \`output\` schema`>
      : unknown
    : Output extends TSchema
      ? [Value] extends [OutputOf<Output>]
        ? unknown
        : [InferInput<Output>] extends [Uint8Array]
          ? NotEndpoint<`${Where} is not bytes; return a Buffer, a stream, a Blob, a Response or file(…)`>
          : NotEndpoint<`${Where} does not fit the \`output\` schema; return ${OutputName<Output>}`>
      : unknown;

/** The values that an `output` schema describes. Where it describes bytes, they may be in any form. */
type OutputOf<Output extends TSchema> =
  IsAny<InferInput<Output>> extends true
    ? unknown
    : [InferInput<Output>] extends [never]
      ? never
      : [InferInput<Output>] extends [Uint8Array]
        ? BytesResult
        : InferInput<Output>;

type CheckResult<Result, Output, Stream, Item> =
  IsAny<Awaited<Result>> extends true
    ? CheckValue<Awaited<Result>, Output, "the result">
    : [Awaited<Result>] extends [never]
      ? unknown // it always throws
      : CheckReturned<Awaited<Result>, Output, Stream, Item>;

type CheckReturned<Result, Output, Stream, Item> = Stream extends true
  ? CheckItems<Result, Output>
  : Stream extends "optional"
    ? CheckOptional<Extract<Result, ItemStream>, Exclude<Result, ItemStream>, Output, Item>
    : [Result] extends [BytesStream]
      ? CheckValue<Result, Output, "the result">
      : [Result] extends [ItemStream]
        ? NotEndpoint<"the method returns an async iterable; add `stream: true`">
        : CheckValue<Result, Output, "the result">;

/** The results that are streams of items where a method may also return a single result. */
type ItemStream = AsyncIterable<unknown> | Iterator<unknown>;

type CheckItems<Result, ItemSchema> = [Result] extends [
  (AsyncIterable<infer Item> | Iterable<infer Item>) & object,
]
  ? IsAny<Item> extends true
    ? CheckValue<Item, ItemSchema, "a streamed item">
    : CheckValue<DataOf<Item>, ItemSchema, "a streamed item">
  : NotEndpoint<"with `stream: true` the method must return an async iterable; write `async *name(…)`">;

/** The part of an item that its schema describes. A raw text has none. */
type DataOf<Item> = Item extends StreamEvent<infer Data> ? Data : Item;

type CheckOptional<Streamed, Single, Output, Item> = [Streamed] extends [never]
  ? NotEndpoint<"with `stream: 'optional'` the method returns one result or an async iterable; write Promise<Result | AsyncGenerator<Item>>">
  : [Single] extends [never]
    ? NotEndpoint<"the method always returns an async iterable; write `stream: true`">
    : unknown extends CheckItems<Streamed, Item>
      ? CheckValue<Single, Output, "the result">
      : CheckItems<Streamed, Item>;

type CheckBatchArguments<
  Args extends readonly unknown[],
  Input,
  Parts extends RequestParts,
> = Args extends readonly []
  ? unknown
  : IsAny<Args[0]> extends true
    ? NotEndpoint<`the inputs are \`any\`; write (inputs: ${InputName<Input>}[])`>
    : [InputOf<Input>[]] extends [Args[0]]
      ? CheckSecond<
          Args,
          BatchContext<Parts>,
          NotEndpoint<"the context is `any`; write (inputs, batch: BatchContext)">,
          NotEndpoint<"the second parameter is the batch's context; write (inputs, batch: BatchContext)">,
          NotEndpoint<"the method is called with (inputs, batch) and nothing more">
        >
      : NotEndpoint<`with \`batch\` the method gets an array; write (inputs: ${InputName<Input>}[])`>;

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
        : NotEndpoint<"with `batch` the method returns an array, one result (or Error) for each input">;

/**
 * `unknown` if the method fits its schemas, else a string type whose text says what to write. It is intersected with
 * the type of the decorated method, so that the compiler shows the text.
 */
export type CheckEndpoint<
  Method extends AnyMethod,
  Input,
  Output,
  Stream,
  MaxSize = never,
  Parts extends RequestParts = NoParts,
  Item = undefined,
> = Method extends (this: never, ...args: infer Args) => infer Result
  ? IsUnresolved<Args, Result> extends true
    ? unknown
    : [MaxSize] extends [never]
      ? unknown extends CheckArguments<Args, Input, Parts>
        ? CheckResult<Result, Output, Stream, Item>
        : CheckArguments<Args, Input, Parts>
      : unknown extends CheckBatchArguments<Args, Input, Parts>
        ? CheckBatchResult<Awaited<Result>, Output>
        : CheckBatchArguments<Args, Input, Parts>
  : never;

/** TypeScript 5.9 first checks the constraint of `Method`, before it infers the method's own type. */
type IsUnresolved<Args extends readonly unknown[], Result> = number extends Args["length"]
  ? [Args[number]] extends [never]
    ? unknown extends Result
      ? true
      : false
    : false
  : false;

type NotRealtime<Message extends string> = `@realtime: ${Message}`;

type SessionInput<Input> = Input extends TSchema ? InferOutput<Input> : Record<string, unknown>;
type SessionOutput<Output> = Output extends TSchema ? InferInput<Output> : object;

/** The first argument of a realtime method, by mode. */
type SessionArgument<Input, Mode extends RealtimeMode, Batched> = Mode extends "client_streaming" | "bidi"
  ? AsyncIterable<SessionInput<Input>>
  : Batched extends false
    ? SessionInput<Input>
    : SessionInput<Input>[];

type ArgumentHint<Input, Mode extends RealtimeMode, Batched> = Mode extends "client_streaming" | "bidi"
  ? NotRealtime<`in this mode the method gets a stream; write (inputs: AsyncIterable<${InputName<Input>}>, ctx)`>
  : Batched extends false
    ? NotRealtime<`the first parameter does not accept the input; write (input: ${InputName<Input>}, ctx)`>
    : NotRealtime<`with maxBatchSize above 1 the method gets an array; write (inputs: ${InputName<Input>}[], ctx)`>;

type CheckSessionArguments<
  Args extends readonly unknown[],
  Input,
  Mode extends RealtimeMode,
  Batched,
> = Args extends readonly []
  ? unknown
  : IsAny<Args[0]> extends true
    ? NotRealtime<`the input is \`any\`; write its type, ${InputName<Input>}`>
    : [SessionArgument<Input, Mode, Batched>] extends [Args[0]]
      ? Batched extends "shared"
        ? CheckSharedContext<Args>
        : CheckSessionContext<Args>
      : ArgumentHint<Input, Mode, Batched>;

type CheckSharedContext<Args extends readonly unknown[]> = CheckSecond<
  Args,
  BatchContext<NoParts>,
  NotRealtime<"the context is `any`; write (inputs, batch: BatchContext)">,
  NotRealtime<"a shared batch has many callers; write (inputs, batch: BatchContext)">,
  NotRealtime<"the method is called with (inputs, batch) and nothing more">
>;

type CheckSessionContext<Args extends readonly unknown[]> = CheckSecond<
  Args,
  RequestContext<NoParts>,
  NotRealtime<"the context is `any`; write (…, ctx: RequestContext)">,
  NotRealtime<"the second parameter is the context; write (…, ctx: RequestContext)">,
  NotRealtime<"the method is called with (input, ctx) and nothing more">
>;

type CheckOutput<Value, Output> =
  IsAny<Value> extends true
    ? NotRealtime<"a result is `any`; give the method a return type that fits the `output` schema">
    : [Value] extends [never]
      ? unknown
      : [Value] extends [readonly unknown[]]
        ? NotRealtime<"a result is a list; outputs are objects, put the list into one">
        : [Value] extends [SessionOutput<Output>]
          ? unknown
          : NotRealtime<`a result does not fit the \`output\` schema, or is not an object; return ${OutputName<Output>}`>;

type CheckSessionResult<Result, Output, Mode extends RealtimeMode, Batched> =
  IsAny<Result> extends true
    ? CheckOutput<Result, Output>
    : [Result] extends [never]
      ? unknown
      : Mode extends "server_streaming" | "bidi"
        ? [Result] extends [AsyncIterable<infer Item>]
          ? CheckOutput<Item, Output>
          : NotRealtime<"in this mode the method must return an async iterable; write `async *name(…)`">
        : [Result] extends [AsyncIterable<unknown>]
          ? Mode extends "client_streaming"
            ? NotRealtime<"the method returns an async iterable; write `mode: 'bidi'` for streams both ways">
            : NotRealtime<"the method returns an async iterable; add `mode: 'server_streaming'`">
          : Batched extends false
            ? CheckOutput<Result, Output>
            : [Result] extends [readonly (infer Item)[]]
              ? CheckOutput<Batched extends "shared" ? WithoutErrors<Item> : Item, Output>
              : Batched extends "shared"
                ? NotRealtime<"a shared batch returns an array, one output (or Error) for each input">
                : CheckOutput<Result, Output>;

type WithoutErrors<Item> = IsAny<Item> extends true ? Item : Exclude<Item, Error>;

/** `unknown` if the method fits its schemas and mode, else a string type whose text says what to write. */
export type CheckRealtime<
  Method extends AnyMethod,
  Input,
  Output,
  Mode extends RealtimeMode,
  Batched,
> = Method extends (this: never, ...args: infer Args) => infer Result
  ? IsUnresolved<Args, Result> extends true
    ? unknown
    : unknown extends CheckSessionArguments<Args, Input, Mode, Batched>
      ? CheckSessionResult<Awaited<Result>, Output, Mode, Batched>
      : CheckSessionArguments<Args, Input, Mode, Batched>
  : never;
