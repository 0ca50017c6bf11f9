import { DefinitionError } from "../../errors.ts";
import { createLogger } from "../logger.ts";
import type { ServeOutcome } from "../lifecycle/drain.ts";
import { serve, type ServeOptions, type ServerKind } from "../lifecycle/serve.ts";
import { Group } from "./group.ts";
import { type GroupMember, rootDefinition } from "./root.ts";

/**
 * Serves several classes on one port, from setup to teardown. Resolves when the server has stopped.
 * @throws DefinitionError for classes that can't be served together, StartupError like `serve()` of one class
 */
export async function serveGroup(
  members: readonly GroupMember[],
  options: ServeOptions,
): Promise<ServeOutcome> {
  const logger = options.logger ?? (await createLogger());
  assertOneMetricsPort(members, options);
  const host = options.host ?? process.env["HOST"];
  let group: Group | undefined;
  const kind: ServerKind = {
    build(definition, serverOptions) {
      group = new Group(members, definition, serverOptions);
      if (host === "localhost") group.listenOnBoth();
      return group.root;
    },
    setUp: async () => group?.setUp(logger),
  };
  return serve(
    rootDefinition(members, logger),
    { ...options, logger, ...(host === "localhost" ? { host: "127.0.0.1" } : {}) },
    kind,
  );
}

/** There is one port for the metrics of all classes. @throws DefinitionError if classes want different ones */
function assertOneMetricsPort(members: readonly GroupMember[], { metricsPort }: ServeOptions): void {
  if (metricsPort !== undefined || (process.env["METRICS_PORT"] ?? "") !== "") return;
  const [first, ...others] = members.filter(({ definition }) => definition.metricsPort !== undefined);
  const other = others.find(({ definition }) => definition.metricsPort !== first?.definition.metricsPort);
  if (first === undefined || other === undefined) return;
  throw new DefinitionError(
    "SETTING_INVALID",
    `${first.definition.name} has the metricsPort ${first.definition.metricsPort}, ${other.definition.name} has ` +
      `${other.definition.metricsPort}. Classes that are served together share one; choose it with metricsPort or --metrics-port.`,
  );
}
