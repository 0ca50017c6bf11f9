import type { Sample } from "./samples.ts";

/** A metric family of Prometheus. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: () => Sample[];
  /** The value is one for all classes on a port. */
  readonly isShared?: boolean;
}

/** A family of values that go up and down. */
export function gauge(name: string, help: string, samples: () => Sample[]): Family {
  return { name, help, type: "gauge", samples };
}

/** A family of values that only go up. */
export function counter(name: string, help: string, samples: () => Sample[]): Family {
  return { name, help, type: "counter", samples };
}
