/** A duration in a reason: "0.4 s", "12 s". */
export function seconds(value: number): string {
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} s`;
}

/** "1 request", "3 requests". */
export function requests(count: number): string {
  return counted(count, "request");
}

/** "1 runner", "3 runners". */
export function runnersText(count: number): string {
  return counted(count, "runner");
}

/** A count with its noun. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
