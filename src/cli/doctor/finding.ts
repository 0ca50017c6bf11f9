/** What one check of `servable doctor` found. */
export interface Finding {
  readonly name: string;
  /** A warning may be meant that way; a failure keeps apps from being served. */
  readonly status: "ok" | "warning" | "failed";
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string;
}
