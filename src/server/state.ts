/** Where a server stands in its life; shared by its parts. */
export class ServerState {
  /** Setup is done. */
  ready = false;
  /** A stop signal came: answers carry `Connection: close`, readiness is red. */
  stopping = false;
}
