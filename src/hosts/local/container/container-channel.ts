import type { Readable } from "node:stream";
import type { FromRunner, ToRunner } from "../../../functions/runner/protocol.ts";
import { contentOf } from "../../../processes/worker-program.ts";
import { runProgram } from "../../../processes/program.ts";
import type { ChannelListener, WorkerChannel } from "../../../processes/worker-channel.ts";
import { ContainerProcess, type ContainerProcessParts } from "./container-process.ts";
import type { ContainerEngine } from "../../../packaging/container-engine.ts";
import type { PublishedPort } from "./run-arguments.ts";

/** A worker in a container, with the published ports of its served function. */
export class ContainerChannel implements WorkerChannel<ToRunner> {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly #process: ContainerProcess;
  readonly #engine: ContainerEngine;
  readonly #name: string;
  readonly #ports: readonly PublishedPort[];
  readonly #listener: ChannelListener<FromRunner>;

  constructor(
    parts: Omit<ContainerProcessParts, "onMessage" | "onEnd">,
    listener: ChannelListener<FromRunner>,
  ) {
    this.#engine = parts.engine;
    this.#name = parts.run.name;
    this.#ports = parts.run.ports ?? [];
    this.#listener = listener;
    this.#process = new ContainerProcess({
      ...parts,
      onMessage: (message) => {
        const own = contentOf<FromRunner>(message);
        if (own !== undefined) this.#receive(own);
      },
      onEnd: (end) => listener.onEnd(end),
    });
    this.stdout = this.#process.stdout;
    this.stderr = this.#process.stderr;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  send(message: ToRunner): void {
    this.#process.send(message.type === "serve" ? this.#inside(message) : message);
  }

  kill(): void {
    this.#process.kill();
  }

  hold(isHeld: boolean): void {
    this.#process.hold(isHeld);
  }

  /** Makes the function listen on all addresses and on the container's ports: published ports do not reach its loopback. */
  #inside(message: ToRunner & { readonly type: "serve" }): ToRunner {
    const [exposed, metrics] = this.#ports;
    return {
      ...message,
      host: "0.0.0.0",
      port: exposed?.inner ?? message.port,
      metricsPort: message.metricsPort === false ? false : (metrics?.inner ?? message.metricsPort),
    };
  }

  #receive(message: FromRunner): void {
    if (message.type !== "listening") return this.#listener.onMessage(message);
    void this.#outerPort().then((port) =>
      this.#listener.onMessage({ ...message, url: `http://127.0.0.1:${port}` }),
    );
  }

  async #outerPort(): Promise<number> {
    const [exposed] = this.#ports;
    if (exposed === undefined || exposed.outer !== 0) return exposed?.outer ?? 0;
    const { command } = this.#engine;
    const args = ["port", this.#name, `${exposed.inner}/tcp`];
    const { stdout } = await runProgram(command, args, { endingBy: "alone" });
    return Number(/:(\d+)\s*$/m.exec(stdout)?.[1] ?? 0);
  }
}
