/** What a generation of a watched app tells its supervisor. */
export type GenerationMessage =
  | { readonly type: "imported"; readonly path: string }
  | { readonly type: "listening" }
  /** It could not start; a change of a file may help unless a port is the matter. */
  | { readonly type: "failed"; readonly code: string | undefined };

/** What the supervisor tells a generation. */
export interface SupervisorMessage {
  /** `cut`: without waiting for what runs. */
  readonly type: "stop" | "cut";
  /** For the log. */
  readonly why: string;
}

/** Set in the environment of every generation that replaces one: the banner has been shown. */
export const REPLACES = "SERVABLE_WATCH_REPLACES";
