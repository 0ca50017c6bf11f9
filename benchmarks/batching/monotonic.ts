/**
 * Milliseconds of the machine's monotonic clock. The same in all threads and processes of the machine, so
 * that times of the server and of the load generator can be compared.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
