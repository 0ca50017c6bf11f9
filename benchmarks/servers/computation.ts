/** Uses the processor until some milliseconds have passed. */
export function waste(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

const SIZE = 2_000_000;

/** Counts the primes below a limit. Returns the processor time of this process for it, in milliseconds. */
export function compute(): number {
  const before = process.cpuUsage();
  const composite = new Uint8Array(SIZE);
  let count = 0;
  for (let number = 2; number < SIZE; number++) {
    if (composite[number]) continue;
    count++;
    for (let multiple = number * number; multiple < SIZE; multiple += number) composite[multiple] = 1;
  }
  if (count !== 148_933) throw new Error(`There are not ${count} primes below ${SIZE}.`);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
