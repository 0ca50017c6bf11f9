/** A message between a worker and its host, set apart from those of a library that finds itself forked. */
interface OwnMessage<Content> {
  readonly servable: Content;
}

/** Marks a message as this package's own. */
export function ownMessage<Content>(content: Content): OwnMessage<Content> {
  return { servable: content };
}

/** What is in a message that {@link ownMessage} has marked; undefined for any other. */
export function contentOf<Content>(message: unknown): Content | undefined {
  const isObject = typeof message === "object" && message !== null;
  return isObject && "servable" in message ? (message as OwnMessage<Content>).servable : undefined;
}
