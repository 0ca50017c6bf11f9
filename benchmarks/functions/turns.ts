/** The latencies of two rivals, in milliseconds, round by round. */
export interface Turns {
  readonly ours: readonly (readonly number[])[];
  readonly bare: readonly (readonly number[])[];
}

/** The measured action: one call. */
export type Call = () => Promise<unknown>;

/** Calls both in turn, block by block; every second round in reverse order, so that neither always follows the other. */
export async function takeTurns(ours: Call, bare: Call, rounds: number, calls: number): Promise<Turns> {
  const turns: { ours: number[][]; bare: number[][] } = { ours: [], bare: [] };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? (["ours", "bare"] as const) : (["bare", "ours"] as const);
    for (const name of order) turns[name].push(await block(name === "ours" ? ours : bare, calls));
  }
  return turns;
}

async function block(call: Call, calls: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let count = 0; count < calls; count++) {
    const started = performance.now();
    await call();
    latencies.push(performance.now() - started);
  }
  return latencies;
}
