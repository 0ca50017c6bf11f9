import type { Revision } from "../state/revisions.ts";

/** A runner as requests see it. */
export class LiveRunner {
  readonly id: string;
  readonly revision: Revision;
  /** Seconds of the scheduler's clock. */
  readonly startedAt: number;
  state: "starting" | "ready" | "draining" | "ended" = "starting";
  /** Where it takes requests; undefined before it is ready. */
  address: string | undefined;
  /** Requests and sockets on it. */
  readonly leases: Set<Lease> = new Set<Lease>();
  /** Since when it has none, in seconds of the scheduler's clock. */
  idleSince: number;
  readyAt: number | undefined;
  /** The ends of the phases of its start, in seconds of the scheduler's clock. */
  readonly phases: { preparedAt?: number; launchedAt?: number; announcedAt?: number } = {};
  /** Hints of the data that it has in memory, from its last answer; undefined if it sends none. */
  hints: ReadonlySet<string> | undefined;
  /** Whether another runner replaces it, and is ready. */
  replacement: "no" | "wanted" | "done" = "no";
  /** Aborted when it has ended. */
  readonly end = new AbortController();
  /** For people: what it waits for before it starts. */
  lacks: string | undefined;

  constructor(id: string, revision: Revision, startedAt: number) {
    this.id = id;
    this.revision = revision;
    this.startedAt = startedAt;
    this.idleSince = startedAt;
  }
}

/** A request's or a socket's place on a runner. End it exactly once. */
export interface Lease {
  readonly runner: LiveRunner;
  readonly address: string;
  /** The name in lists of running requests. */
  requestId: string;
  caller: string | undefined;
  /** Seconds of the scheduler's clock. */
  begunAt: number;
  /** Whether the place is only kept, until it is known which request of the queue gets it. */
  isReserved: boolean;
  /** Whether it had to wait. */
  readonly hasWaited: boolean;
  readonly isSocket: boolean;
  /** Called when the runner gets no new requests any more. */
  onDrain?: (() => void) | undefined;
  /** Called when the runner wants to end and the socket has to go elsewhere. */
  onEvict?: (() => void) | undefined;
}
