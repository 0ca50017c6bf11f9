import { UsageError } from "../../errors.ts";
import type { Connection } from "./connection.ts";
import type * as controller from "../generated/controller_pb.ts";
import type { Rest } from "./rest.ts";
import { resolveTarget, type Target, type TargetOptions } from "../target/target.ts";

/** What gRPC calls take: the connection, and the messages and enums of the protocol. */
export interface Grpc {
  readonly connection: Connection;
  readonly protocol: typeof controller;
}

/**
 * One control plane, as the parts of a client share it. What it is, and with which key it is talked to, is found out by the
 * first call; until then nothing is read, loaded or opened.
 */
export class PlatformSession implements Disposable {
  readonly #options: TargetOptions;
  #target: Promise<Target> | undefined;
  #grpc: Promise<Grpc> | undefined;
  #rest: Promise<Rest> | undefined;
  #isClosed = false;

  constructor(options: TargetOptions = {}) {
    this.#options = options;
  }

  /** Where the control plane is, and the key. @throws what `resolveTarget` throws */
  target(): Promise<Target> {
    this.#target ??= resolveTarget(this.#options);
    return this.#target;
  }

  /** The gRPC side. @throws what `resolveTarget` throws, UsageError after `close()` */
  async grpc(): Promise<Grpc> {
    if (this.#isClosed) throw new UsageError("The client is closed.");
    this.#grpc ??= this.#connect();
    return this.#grpc;
  }

  /** The REST side. @throws what `resolveTarget` throws, UsageError after `close()` */
  async rest(): Promise<Rest> {
    if (this.#isClosed) throw new UsageError("The client is closed.");
    // One, so that a deployment that broke off is gone on with by the next one.
    this.#rest ??= this.#makeRest();
    return this.#rest;
  }

  /** Closes the connection. Calls that still run fail. */
  close(): void {
    this.#isClosed = true;
    this.#grpc?.then(
      ({ connection }) => connection.close(),
      () => {},
    );
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #makeRest(): Promise<Rest> {
    const [{ endpoints, credentials }, { Rest }] = await Promise.all([this.target(), import("./rest.ts")]);
    return new Rest({ endpoint: endpoints.rest, credentials });
  }

  async #connect(): Promise<Grpc> {
    const [{ endpoints, credentials }, { Connection }, protocol] = await Promise.all([
      this.target(),
      import("./connection.ts"),
      import("../generated/controller_pb.ts"),
    ]);
    return { connection: new Connection({ endpoint: endpoints.grpc, credentials }), protocol };
  }
}
