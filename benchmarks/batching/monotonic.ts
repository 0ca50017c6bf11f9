/**
 * Milliseconds of the machine's clock that never goes back. The same in all threads and processes of the machine, so
 * that times taken in the server and in the load generator can be compared.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
