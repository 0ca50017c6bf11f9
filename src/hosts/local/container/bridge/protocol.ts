/** What the bridge is to start. */
export interface BridgeStart {
  /** The arguments of the image's Node. */
  readonly args: readonly string[];
  /** Variables beside those of the image. */
  readonly variables: Readonly<Record<string, string>>;
  /** The process is spoken to by messages. */
  readonly hasMessages: boolean;
  /** The memory that the container may take, in bytes. */
  readonly memoryBytes?: number;
}

/** How the process ended that the bridge has started. */
export interface BridgeEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be started. */
  readonly error?: string;
}
