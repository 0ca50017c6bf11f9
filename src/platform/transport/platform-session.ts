import { UsageError } from "../../errors.ts";
import type { Connection } from "./connection.ts";
import type * as controller from "../generated/controller_pb.ts";
import type { Rest } from "./rest.ts";
import { resolveTarget, type Target, type TargetOptions } from "../target/target.ts";

/** The connection for gRPC calls, and the messages and enums of the protocol. */
export interface Grpc {
  readonly connection: Connection;
  readonly protocol: typeof controller;
}

/**
 * The connection to a control plane that all parts of a client share. Until the first call, no configuration is read, no
 * library is loaded and no connection is opened.
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

  /** The hosts and the key. @throws the errors of `resolveTarget` */
  target(): Promise<Target> {
    this.#target ??= resolveTarget(this.#options);
    return this.#target;
  }

  /** The gRPC connection. @throws the errors of `resolveTarget`, UsageError after `close()` */
  async grpc(): Promise<Grpc> {
    if (this.#isClosed) throw new UsageError("The client is closed.");
    this.#grpc ??= this.#connect();
    return this.#grpc;
  }

  /** The REST client. @throws the errors of `resolveTarget`, UsageError after `close()` */
  async rest(): Promise<Rest> {
    if (this.#isClosed) throw new UsageError("The client is closed.");
    // One client for all calls, because interrupted uploads are continued only with the same client.
    this.#rest ??= this.#makeRest();
    return this.#rest;
  }

  /** Closes the connection. Running calls fail. */
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
