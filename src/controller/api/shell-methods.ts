import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  ShellRunnerOutputSchema,
  type IsolateController,
  type ShellRunnerInput,
  type ShellRunnerOutput,
} from "../../platform/generated/controller_pb.ts";
import { Shell } from "../shell/shell.ts";
import type { ControlServiceParts } from "./service-parts.ts";

/** The numbers of the streams in the protocol. */
const STREAMS = { stdout: 1, stderr: 2 } as const;

/** The call that runs a program or a shell beside a runner. */
export function shellMethods(parts: ControlServiceParts): Partial<ServiceImpl<typeof IsolateController>> {
  return { shellRunner: (inputs, context) => shellRunner(parts, inputs, context) };
}

async function* shellRunner(
  { scheduler }: ControlServiceParts,
  inputs: AsyncIterable<ShellRunnerInput>,
  { signal }: HandlerContext,
): AsyncGenerator<ShellRunnerOutput> {
  const messages = inputs[Symbol.asyncIterator]();
  const { value: first } = (await messages.next()) as { value?: ShellRunnerInput };
  const runnerId = first?.runnerId ?? "";
  const program = await scheduler.lives.shellOf(runnerId, first?.command ?? [], first?.tty ?? true);
  if (first === undefined || program === undefined) {
    throw new ConnectError(
      `There is no runner ${runnerId.slice(0, 100)} that runs: see "servable runners list".`,
      Code.NotFound,
    );
  }
  const shell = await Shell.start(program, first.tty ?? true).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "there is no such program" : error.message;
    throw new ConnectError(`${program.command} can't be run on the runner: ${why}.`, Code.FailedPrecondition);
  });
  using _ = shell;
  const onAbort = (): void => shell[Symbol.dispose]();
  const end = scheduler.lives.endOf(runnerId);
  for (const each of [signal, end]) each.addEventListener("abort", onAbort, { once: true });
  try {
    if (end.aborted) onAbort();
    if (shell.notice !== undefined) {
      yield create(ShellRunnerOutputSchema, { data: Buffer.from(shell.notice), stream: STREAMS.stderr });
    }
    void feed(shell, first, messages).catch(onAbort);
    for await (const { stream, data } of shell.output()) {
      yield create(ShellRunnerOutputSchema, { data, stream: STREAMS[stream] });
    }
    signal.throwIfAborted();
    if (end.aborted) {
      throw new ConnectError(`The runner ${runnerId} has ended, and the program with it.`, Code.Aborted);
    }
    yield create(ShellRunnerOutputSchema, { exitCode: await shell.exitCode, close: true });
  } finally {
    for (const each of [signal, end]) each.removeEventListener("abort", onAbort);
  }
}

/** Passes the input of the caller on until it ends. */
async function feed(
  shell: Shell,
  first: ShellRunnerInput,
  rest: AsyncIterator<ShellRunnerInput>,
): Promise<void> {
  for (let input: ShellRunnerInput | undefined = first; input !== undefined;) {
    const { ttySize, data, close } = input;
    const isSize = ttySize !== undefined && ttySize.height > 0 && ttySize.width > 0;
    if (isSize) shell.resize({ rows: ttySize.height, columns: ttySize.width });
    if (data.length > 0) await shell.write(data);
    if (close) shell.endInput();
    const next = await rest.next();
    input = next.done === true ? undefined : next.value;
  }
}
