/**
 * The theoretical limits of any batcher, for batches that cost `a + b·n`. All rates are per second.
 * @module
 */
import { batchCost, type Shape } from "./shape.ts";

const PER_SECOND = 1000;

/** The maximum rate of one executor, with only full batches: `B/(a + bB)`. */
export function ceiling(shape: Shape): number {
  return (PER_SECOND * shape.maxSize) / batchCost(shape, shape.maxSize);
}

/**
 * λ*: the highest rate of steady arrivals that are all answered in time, `min((1 − 2a/L)/b, B/(a + bB))`. An item that
 * just missed a batch waits for all of that one and then runs in the next: two batches fit into the deadline.
 */
export function servableRate(shape: Shape): number {
  return sharedQueueRate(shape, 1);
}

/**
 * λ* for executors that share one queue: `N(1 − a(1 + 1/N)/L)/b`, since one of them is free N times as often.
 * At least 0, and at most the rate of full batches.
 */
export function sharedQueueRate(shape: Shape, executors: number): number {
  const { baseMs, perItemMs, deadlineMs } = shape;
  const inTime = (1 - (baseMs * (1 + 1 / executors)) / deadlineMs) / perItemMs;
  return Math.max(0, Math.min(executors * inTime * PER_SECOND, executors * ceiling(shape)));
}

/**
 * G(λ): answers in time per second under more load than can be served, when exactly the right requests are refused:
 * `(1 − a/s)/b` with `s = min((a + λbL)/(1 + λb), a + bB)`, the time that the best batches take.
 */
export function sheddingGoodput(shape: Shape, rate: number): number {
  const { baseMs, perItemMs, deadlineMs, maxSize } = shape;
  const perMs = rate / PER_SECOND;
  const fitting = (baseMs + perMs * perItemMs * deadlineMs) / (1 + perMs * perItemMs);
  const serviceMs = Math.min(fitting, batchCost(shape, maxSize));
  return (PER_SECOND * (1 - baseMs / serviceMs)) / perItemMs;
}

/** Answers in time per second of a perfect batcher under any load: `min(λ, G(λ))`. */
export function idealGoodput(shape: Shape, rate: number): number {
  return rate === 0 ? 0 : Math.min(rate, sheddingGoodput(shape, rate));
}

/** Answers per second to clients that each send again at once: `C/(a + bC)`, all of them in every batch. */
export function closedLoopRate(shape: Shape, clients: number): number {
  return (PER_SECOND * Math.min(clients, shape.maxSize)) / batchCost(shape, Math.min(clients, shape.maxSize));
}

/** The same rate if a batch starts as soon as one item waits: `C/(2a + bC)`, since batches of 1 and C − 1 alternate. */
export function greedyClosedLoopRate(shape: Shape, clients: number): number {
  return (PER_SECOND * clients) / (batchCost(shape, clients) + shape.baseMs);
}
