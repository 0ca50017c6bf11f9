import { createLogger } from "../logger.ts";
import type { ServeOutcome } from "../lifecycle/drain.ts";
import { serve, type ServeOptions, type ServerKind } from "../lifecycle/serve.ts";
import { Group } from "./group.ts";
import { assertSamePort, type GroupMember, rootDefinition } from "./root.ts";

/**
 * Serves several classes on one port, from setup to teardown. Resolves when the server has stopped.
 * @throws DefinitionError for classes that can't be served together, StartupError like `serve()` of one class
 */
export async function serveGroup(
  members: readonly GroupMember[],
  options: ServeOptions,
): Promise<ServeOutcome> {
  const logger = options.logger ?? (await createLogger());
  const { metricsPort, ...others } = options;
  assertSamePort(members, metricsPort === undefined ? others : { ...others, metricsPort: metricsPort || 0 });
  let group: Group | undefined;
  const kind: ServerKind = {
    build: (definition, serverOptions) => (group = new Group(members, definition, serverOptions)).root,
    setUp: async () => group?.setUp(logger),
  };
  return serve(rootDefinition(members, logger), { ...options, logger }, kind);
}
