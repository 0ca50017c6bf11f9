import { setTimeout as sleep } from "node:timers/promises";
import { Type, type Static } from "typebox";
import {
  App,
  AppException,
  CUDAOutOfMemoryException,
  endpoint,
  FieldException,
  GPUException,
  RequestCancelledException,
  type RequestContext,
} from "servable";

const Size = Type.Object(
  { width: Type.Integer({ minimum: 1, default: 512 }), height: Type.Integer({ minimum: 1, default: 512 }) },
  { $id: "Size" },
);
export const Echo = Type.Object(
  {
    text: Type.String({ minLength: 1 }),
    count: Type.Integer({ minimum: 0, default: 3 }),
    size: Type.Optional(Size),
    extra: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { $id: "Echo" },
);
type Echo = Static<typeof Echo>;
const Delay = Type.Object({ ms: Type.Number({ minimum: 0 }), tag: Type.Optional(Type.String()) });
type Delay = Static<typeof Delay>;
const Kind = Type.Object({ kind: Type.String() });
type Kind = Static<typeof Kind>;

/** The errors that a handler can throw, by name. */
const THROWN: Readonly<Record<string, () => unknown>> = {
  app: () => new AppException("no such style", 418),
  field: () => new FieldException("prompt", "is unsafe", { type: "content_policy", billableUnits: 1.5 }),
  cancelled: () => new RequestCancelledException(),
  gpu: () => new GPUException(),
  cuda: () => new CUDAOutOfMemoryException(),
  "cuda text": () => new Error("CUDA error: out of memory. Tried to allocate 2 GiB"),
  "gpu text": () => new Error("Triton kernel failed"),
  barracuda: () => new Error("no barracuda in the tank"),
  error: () => new Error("secret /etc/passwd detail"),
  string: () => "a plain string",
  undefined: () => undefined,
  null: () => null,
  frozen: () => Object.freeze({ message: "frozen" }),
  symbol: () => Symbol("s"),
  proxy: () =>
    new Proxy(
      {},
      {
        get: () => {
          throw new Error("trap");
        },
        getPrototypeOf: () => {
          throw new Error("trap");
        },
      },
    ),
};

/** An app with a route for each behaviour of the wire contract. */
export class WireApp extends App {
  static override version = "9.8.7";
  /** The arguments of the handlers, for tests to read. */
  readonly seen: string[] = [];

  @endpoint("/", { input: Echo, output: Echo })
  echo(input: Echo): Echo {
    return input;
  }

  @endpoint("/raw", { input: Type.Unknown() })
  raw(input: unknown): unknown {
    return input === undefined ? null : input;
  }

  @endpoint("/nothing")
  nothing(): void {}

  @endpoint("/throw", { input: Kind, output: Echo })
  async fail({ kind }: Kind): Promise<Echo> {
    await sleep(0);
    throw THROWN[kind]?.();
  }

  @endpoint("/throw-sync", { input: Kind })
  failSync({ kind }: Kind): never {
    throw THROWN[kind]?.();
  }

  @endpoint("/wrong-output", { output: Echo })
  wrongOutput(): Echo {
    return JSON.parse('{"text": 5, "secret": "do not leak"}') as Echo;
  }

  @endpoint("/cyclic")
  cyclic(): unknown {
    const value: Record<string, unknown> = {};
    value["self"] = value;
    return value;
  }

  @endpoint("/context")
  context(ctx: RequestContext): unknown {
    const { requestId, endpoint, lifecyclePreference, query } = ctx;
    return {
      requestId,
      endpoint: endpoint ?? null,
      lifecyclePreference,
      query,
      custom: ctx.headers["x-custom"] ?? null,
    };
  }

  @endpoint("/token", { input: Type.Object({ token: Type.Optional(Type.String()) }) })
  token(input: { token?: string }, ctx: RequestContext): null {
    if (input.token !== undefined) ctx.headers["x-fal-cdn-token"] = input.token;
    return null;
  }

  @endpoint("/slow", { input: Delay })
  async slow({ ms, tag }: Delay, ctx: RequestContext): Promise<unknown> {
    this.seen.push(`start ${tag}`);
    ctx.signal.addEventListener("abort", () => this.seen.push(`abort ${tag}`));
    await sleep(ms, undefined, { signal: ctx.signal });
    return { slept: ms, tag };
  }

  @endpoint("/deaf", { input: Delay })
  async deaf({ ms }: Delay): Promise<unknown> {
    await sleep(ms);
    return { slept: ms };
  }

  @endpoint("/never", { timeoutMs: 50 })
  never(ctx: RequestContext): Promise<void> {
    ctx.signal.addEventListener("abort", () => this.seen.push(`never: ${(ctx.signal.reason as Error).name}`));
    return new Promise(() => {});
  }

  @endpoint("/header", { input: Type.Object({ name: Type.String(), value: Type.String() }) })
  header(input: { name: string; value: string }, ctx: RequestContext): null {
    ctx.setHeader(input.name, input.value);
    return null;
  }
}
