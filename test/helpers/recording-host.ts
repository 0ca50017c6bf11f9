import { type FunctionTarget, Host, type RunOptions, type SpawnInfo } from "../../src/functions/host.ts";
import { LogQueue } from "../../src/hosts/spawned-run.ts";

/** One call to a host. */
export interface Recorded {
  readonly target: FunctionTarget;
  readonly args: readonly unknown[];
  readonly options: RunOptions;
}

/** A host that records its calls, and returns the results of the given function. */
export class RecordingHost extends Host {
  readonly supportedKeys: ReadonlySet<string>;
  readonly calls: Recorded[] = [];
  readonly #answer: (call: Recorded) => unknown;

  constructor(answer: (call: Recorded) => unknown = () => undefined, ...supportedKeys: readonly string[]) {
    super();
    this.#answer = answer;
    this.supportedKeys = new Set(supportedKeys);
  }

  get last(): Recorded {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error("nothing was run");
    return call;
  }

  override async run(
    target: FunctionTarget,
    args: readonly unknown[],
    options: RunOptions,
  ): Promise<unknown> {
    const call = { target, args, options };
    this.calls.push(call);
    return this.#answer(call);
  }

  override spawn(target: FunctionTarget, args: readonly unknown[], options: RunOptions): SpawnInfo {
    const logs = new LogQueue();
    const result = this.run(target, args, options).finally(() => logs.end());
    return { logs, result, url: result.then(() => undefined), stream: { cancel() {} } };
  }
}
