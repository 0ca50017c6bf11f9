import type { Check } from "./check.ts";

/**
 * Where a setting can be given: statics of a class, servable.config.ts, `fn()`, `servable apps scale`, options of
 * `buildServer()` ("server") and of `serve()`.
 */
export type Source = "class" | "config" | "function" | "scale" | "server" | "serve";

/** Everything known about one setting. */
export interface Setting {
  readonly check: Check;
  /** The same sentence as in the comment above the row, without its unit and full stop. */
  readonly doc: string;
  readonly sources: readonly Source[];
  /** Fractions of "seconds" are rounded up for a platform; fractions of "whole seconds" are refused. */
  readonly unit?: "seconds" | "whole seconds" | "milliseconds" | "percent" | "port" | "bytes";
  /** The value in force on this machine if none is given. */
  readonly default?: string | number | boolean;
  /** The value in force on a platform if none is given. */
  readonly platformDefault?: string | number;
  /** The value sent for a class that gives none, in place of the platform's default. */
  readonly classDefault?: string | number;
  /** The environment variable that takes precedence over the static of a class. */
  readonly variable?: string;
  /** The flags of `servable run` that set it, as they appear in the help. */
  readonly flag?: string;
  /** The name of the field in the messages of the protocol. */
  readonly wire?: string;
  /**
   * Which value the next deployment of the same app takes: the one the platform has (scaled since, say), or the one
   * of the code.
   */
  readonly keptBy?: "platform" | "code";
}
