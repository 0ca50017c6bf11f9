import { connect } from "node:net";
import { request } from "node:http";
import { pause } from "../../processes/timers.ts";
import type { HealthCheck } from "../state/revisions.ts";

/** Callbacks of a health watch. */
export interface HealthHooks {
  /** Whether the runner has requests. */
  readonly isBusy: () => boolean;
  /** Called once, when the runner is not well any more. */
  readonly onFailure: (reason: string) => void;
}

/** Interval of regular checks, in milliseconds. */
const INTERVAL_MS = 15_000;
/** Interval of checks before the first success, in milliseconds. */
const FIRST_INTERVAL_MS = 100;
/** The check of an app that declares none. It may be missing. */
const DEFAULT_CHECK: HealthCheck = {
  path: "/health",
  method: "GET",
  startPeriodSeconds: 30,
  timeoutSeconds: 5,
  failureThreshold: 3,
  callsRegularly: true,
  isAllowedOnBusy: false,
};

/** Asks a runner regularly whether it is well. */
export class HealthWatch {
  readonly #address: string;
  readonly #check: HealthCheck;
  readonly #isDeclared: boolean;
  readonly #hooks: HealthHooks;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  /** The fault of the last answer; undefined if it was good. */
  lastFault: string | undefined;

  constructor(address: string, check: HealthCheck | undefined, hooks: HealthHooks) {
    this.#address = address;
    this.#check = check ?? DEFAULT_CHECK;
    this.#isDeclared = check !== undefined;
    this.#hooks = hooks;
  }

  /** Asks until the first good answer. @throws Error with the last fault when the time is over; the signal's reason */
  async firstSuccess(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const fault = await this.#ask();
      this.lastFault = fault;
      if (fault === undefined) return;
      if (performance.now() > deadline) throw new Error(`its health check did not succeed: ${fault}`);
      await pause(FIRST_INTERVAL_MS, signal);
    }
  }

  /** Begins regular checks, if the app wants them. */
  start(): void {
    if (!this.#check.callsRegularly) return;
    this.#timer = setTimeout(() => void this.#regular(), INTERVAL_MS).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Checks once, since an answer of the app asked for it: a fault ends the runner. */
  async now(): Promise<void> {
    const fault = await this.#ask();
    if (fault !== undefined) this.#hooks.onFailure(`its health check failed: ${fault}`);
  }

  async #regular(): Promise<void> {
    if (this.#check.isAllowedOnBusy || !this.#hooks.isBusy()) {
      const fault = await this.#ask();
      this.#failures = fault === undefined ? 0 : this.#failures + 1;
      if (fault !== undefined && this.#failures >= this.#check.failureThreshold) {
        this.#hooks.onFailure(`its health check failed ${this.#failures} times in a row: ${fault}`);
        return;
      }
    }
    if (this.#timer !== undefined) this.start();
  }

  /** The fault of one check; undefined if the runner is well. */
  #ask(): Promise<string | undefined> {
    const { path, method, timeoutSeconds } = this.#check;
    return new Promise((resolve) => {
      const call = request(new URL(path, this.#address), {
        method,
        agent: false,
        timeout: timeoutSeconds * 1_000,
        headers: { "x-fal-runner-health-check": "1", "content-type": "application/json" },
      });
      call.on("timeout", () => call.destroy(new Error(`no answer within ${timeoutSeconds} s`)));
      call.on("error", ({ message }) => resolve(`${method} ${path}: ${message}`));
      call.on("response", (answer) => {
        answer.resume();
        const status = answer.statusCode ?? 0;
        const isFine = this.#isDeclared ? status < 400 : status < 500;
        resolve(isFine ? undefined : `${method} ${path} answered ${status}`);
      });
      call.end(method === "POST" ? "{}" : undefined);
    });
  }
}

/** Whether a runner accepts connections. */
export function acceptsConnections(address: string, timeoutMs: number): Promise<boolean> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), timeout: timeoutMs });
    const settle = (isOpen: boolean) => (): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once("connect", settle(true)).once("error", settle(false)).once("timeout", settle(false));
  });
}
