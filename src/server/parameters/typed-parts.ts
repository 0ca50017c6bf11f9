/** The converted parameters of a request. A part without a schema is undefined. */
export interface TypedParts {
  params?: unknown;
  query?: unknown;
  /** All headers. Headers in the schema are converted. */
  headers?: Record<string, unknown>;
}
