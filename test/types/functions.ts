import { Type, type Static } from "typebox";
import { cached, type currentRun, fn, LocalHost, type IsolatedFunction, type SpawnInfo } from "servable";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const isEqual = <A, B>(..._proof: Equal<A, B> extends true ? [] : ["not equal"]): void => {};

// A call has the arguments of the handler and a promise of its result, for sync and async handlers.
export const add = fn({}, (a: number, b: number) => a + b);
isEqual<typeof add, IsolatedFunction<[a: number, b: number], number>>();
isEqual<ReturnType<typeof add>, Promise<number>>();
export const later = fn({ requirements: ["ms@2.1.3"] }, async (text: string, times?: number) => [
  text,
  times,
]);
isEqual<Awaited<ReturnType<typeof later>>, (string | number | undefined)[]>();
void later("x");
void later("x", 2);
export const many = fn({}, (...texts: string[]) => texts.length);
void many("a", "b");

// @ts-expect-error an argument of another type
void add("1", 2);
// @ts-expect-error too few arguments
void add(1);

// submit and spawn take the same arguments, followed by options.
const { signal } = new AbortController();
isEqual<Awaited<ReturnType<typeof add.submit>>, number>();
add.submit(1, 2, { signal }).cancel();
isEqual<ReturnType<typeof add.spawn>, SpawnInfo<number>>();
add.spawn(1, 2, { signal }).stream.cancel();
// @ts-expect-error an unknown option
add.submit(1, 2, { timeout: 3 });

// The result of the setup is the first argument, and callers do not pass it.
export const counter = fn({ setupFunction: async () => ({ count: 0 }) }, (state, by: number) => {
  isEqual<typeof state, { count: number }>();
  return (state.count += by);
});
isEqual<typeof counter, IsolatedFunction<[by: number], number>>();
export const ready = fn({ setupFunction: () => "model", memoryLimitMb: 500 }, (model) => model.length);
isEqual<typeof ready, IsolatedFunction<[], number>>();
// @ts-expect-error the setup returns another type
fn({ setupFunction: () => 1 }, (state: string, by: number) => state.repeat(by));

// A served function is checked against its schemas, like an endpoint, and is called without arguments.
const Name = Type.Object({ name: Type.String() }, { $id: "Name" });
const Greeting = Type.Object({ text: Type.String() }, { $id: "Greeting" });
export const greet = fn(
  { serve: true, input: Name, output: Greeting },
  ({ name }: Static<typeof Name>): Static<typeof Greeting> => ({ text: name }),
);
isEqual<typeof greet, IsolatedFunction<[], void>>();
isEqual<Awaited<ReturnType<typeof greet.spawn>["url"]>, string | undefined>();
// @ts-expect-error the result does not fit the schema
fn({ serve: true, input: Name, output: Greeting }, ({ name }: Static<typeof Name>) => ({ texts: name }));
// @ts-expect-error only served functions have schemas
fn({ input: Name }, (name: Static<typeof Name>) => name);

// The same function on another host keeps its type.
isEqual<ReturnType<typeof add.on>, typeof add>();
void add.on(new LocalHost());
void add.on({ keepAlive: 0, reraise: false });
// @ts-expect-error an unknown option
void add.on({ keepalive: 0 });
isEqual<Awaited<ReturnType<typeof add.runLocal>>, number>();

// cached() keeps the type.
const load = cached(async (name: string) => ({ name }));
isEqual<typeof load, (name: string) => Promise<{ name: string }>>();
isEqual<ReturnType<typeof currentRun>["signal"], AbortSignal>();

// @ts-expect-error an unknown option
fn({ requirement: ["ms"] }, () => 1);
// @ts-expect-error requirements are strings
fn({ requirements: [1] }, () => 1);
// @ts-expect-error a host is an object
fn({ host: "local" }, () => 1);
