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

  /** Tells all of them to stop. */
  abortAll(reason: unknown): void {
    for (const request of this.listening) request.abort(reason);
  }
}
