import assert from "node:assert/strict";
import { decide } from "../../src/controller/scaling/decide.ts";
import {
  EMPTY_HISTORY,
  forNewRevision,
  learn,
  serviceSeconds,
} from "../../src/controller/scaling/history.ts";
import { LoadMeter } from "../../src/controller/scaling/load-meter.ts";
import {
  DEFAULT_SETTINGS,
  slotsOf,
  type Decision,
  type ScalingSettings,
  type Snapshot,
} from "../../src/controller/scaling/snapshot.ts";

/** The parts of a random history. */
export type Step =
  | { readonly do: "arrive"; readonly seconds: number }
  | { readonly do: "wait"; readonly seconds: number }
  | { readonly do: "crashes"; readonly on: boolean }
  | { readonly do: "silence"; readonly on: boolean }
  | { readonly do: "deploy"; readonly settings: Partial<ScalingSettings> };

interface WorldRunner {
  readonly id: string;
  state: "starting" | "ready" | "draining";
  readonly startedAt: number;
  readonly readyAt: number;
  requests: number;
  idleSince: number;
}

interface WorldRequest {
  readonly arrivedAt: number;
  readonly seconds: number;
  runner?: WorldRunner;
  endsAt: number;
  waited: boolean;
}

/** An app in simulated time, in steps of one second, that does what the rule decides. */
export class ScalingWorld {
  now = 0;
  settings: ScalingSettings;
  history = EMPTY_HISTORY;
  runners: WorldRunner[] = [];
  requests: WorldRequest[] = [];
  starts = 0;
  readonly #onDecision: (snapshot: Snapshot, decision: Decision) => void;
  readonly #startSeconds: number;
  #meter = new LoadMeter(0, 1);
  #isCrashing = false;
  #isSilent = false;
  #lastDemand: Snapshot["demand"];

  constructor(
    settings: Partial<ScalingSettings>,
    startSeconds: number,
    onDecision: (snapshot: Snapshot, decision: Decision) => void = () => {},
  ) {
    this.settings = { ...DEFAULT_SETTINGS, ...settings };
    this.#startSeconds = startSeconds;
    this.#onDecision = onDecision;
  }

  get waiting(): WorldRequest[] {
    return this.requests.filter(({ runner }) => runner === undefined);
  }

  get starting(): number {
    return this.runners.filter(({ state }) => state === "starting").length;
  }

  take(step: Step): void {
    if (step.do === "arrive") this.arrive(step.seconds);
    if (step.do === "wait") for (let second = 0; second < step.seconds; second++) this.second();
    if (step.do === "crashes") this.#isCrashing = step.on;
    if (step.do === "silence") this.#isSilent = step.on;
    if (step.do === "deploy") this.#deploy(step.settings);
  }

  arrive(seconds: number): void {
    const request: WorldRequest = { arrivedAt: this.now, seconds, endsAt: Infinity, waited: false };
    this.requests.push(request);
    if (this.#begin(request)) return this.#meter.begun(this.now);
    request.waited = true;
    this.#meter.queued(this.now);
    this.decide();
  }

  /** One second passes. */
  second(): void {
    this.now++;
    for (const runner of [...this.runners]) this.#startEnds(runner);
    for (const request of [...this.requests]) if (request.endsAt <= this.now) this.#end(request);
    for (const request of this.waiting) {
      if (this.#begin(request)) this.#meter.dequeued(this.now, request.arrivedAt);
    }
    for (const observation of this.#meter.read(this.now, slotsOf(this.snapshot()))) {
      this.history = learn(this.history, observation);
    }
    this.#meter.expect(serviceSeconds(this.history));
    this.decide();
  }

  decide(): Decision {
    const snapshot = this.snapshot();
    const decision = decide(snapshot);
    this.#onDecision(snapshot, decision);
    for (const { runner } of decision.stop) this.runners = this.runners.filter(({ id }) => id !== runner);
    for (let count = 0; count < decision.start; count++) {
      this.runners.push({
        id: `r${++this.starts}`,
        state: "starting",
        startedAt: this.now,
        readyAt: this.now + this.#startSeconds,
        requests: 0,
        idleSince: this.now,
      });
    }
    return decision;
  }

  snapshot(): Snapshot {
    const { now, settings, history } = this;
    if (!this.#isSilent) this.#lastDemand = this.#meter.demand(now, settings.scalingDelay);
    return {
      now,
      settings,
      history,
      runners: this.runners.map((runner) => ({ ...runner })),
      demand: this.#lastDemand,
    };
  }

  #startEnds(runner: WorldRunner): void {
    if (runner.state !== "starting" || runner.readyAt > this.now) return;
    const { startedAt } = runner;
    if (this.#isCrashing) {
      this.runners = this.runners.filter((each) => each !== runner);
      this.history = learn(this.history, { kind: "crashed", at: this.now, startedAt, readyAt: null });
    } else {
      runner.state = "ready";
      runner.idleSince = this.now;
      this.history = learn(this.history, { kind: "ready", at: this.now, startedAt });
    }
  }

  #begin(request: WorldRequest): boolean {
    const slots = this.settings.maxMultiplexing;
    const runner = this.runners
      .filter(({ state, requests }) => state === "ready" && requests < slots)
      .sort((a, b) => b.requests - a.requests)[0];
    if (runner === undefined) return false;
    runner.requests++;
    request.runner = runner;
    request.endsAt = this.now + request.seconds;
    return true;
  }

  #end(request: WorldRequest): void {
    this.requests = this.requests.filter((each) => each !== request);
    const { runner, waited, seconds } = request;
    assert.ok(runner !== undefined);
    runner.requests--;
    runner.idleSince = this.now;
    if (runner.state === "draining" && runner.requests === 0) {
      this.runners = this.runners.filter((each) => each !== runner);
    }
    this.#meter.ended(this.now, { waited, seconds });
  }

  /** A new revision: the old runners finish elsewhere. */
  #deploy(settings: Partial<ScalingSettings>): void {
    this.settings = { ...this.settings, ...settings };
    this.history = forNewRevision(this.history);
    this.runners = this.runners.filter(({ requests }) => requests > 0);
    for (const runner of this.runners) runner.state = "draining";
  }
}
