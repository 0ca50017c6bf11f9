/** The result of one check of `servable doctor`. */
export interface Finding {
  readonly name: string;
  /** A warning may be intended. After a failure, apps cannot be served. */
  readonly status: "ok" | "warning" | "failed";
  readonly message: string;
  /** How to fix it. */
  readonly advice?: string;
}
