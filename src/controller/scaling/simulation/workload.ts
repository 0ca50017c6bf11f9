/** The requests of an app over time. Both lists have one entry for each request, in the order of arrival. */
export interface Workload {
  readonly name: string;
  /** When each request arrives, in seconds. */
  readonly arrivals: Float64Array;
  /** How long a runner works on each, in seconds. */
  readonly services: Float64Array;
  /** The end of the observed time, in seconds. */
  readonly end: number;
}
