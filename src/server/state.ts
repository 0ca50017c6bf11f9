import { Sessions } from "./websocket/sessions.ts";

/** Work that can be told to stop. */
export interface Abortable {
  abort(reason: unknown): void;
}

/** Where a server stands in its life; shared by its parts. */
export class ServerState {
  /** Setup is done. */
  ready = false;
  /** A stop signal came: answers carry `Connection: close`, readiness is red. */
  stopping = false;
  /** Requests whose handlers listen to their signal. */
  readonly listening = new Set<Abortable>();

  /** Open websockets. */
  readonly sessions: Sessions;

  /** @param maxSessions so many websockets may be open at a time. */
  constructor(maxSessions: number) {
    this.sessions = new Sessions(maxSessions);
  }

  /** Tells everything that runs to stop. */
  abortAll(reason: unknown): void {
    for (const request of this.listening) request.abort(reason);
    this.sessions.abort(reason);
  }
}
