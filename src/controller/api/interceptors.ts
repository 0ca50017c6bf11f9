import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { IsolateController } from "../../platform/generated/controller_pb.ts";
import type { KeyRing } from "../gateway/key-ring.ts";
import type { Permission } from "../state/permissions.ts";
import { SHORTAGE_MESSAGES, shortageOf } from "../shortages.ts";
import { DatabaseAway, UnstorableValue } from "../store/database.ts";

type Method = keyof typeof IsolateController.method;

/** The permission that each call needs. Calls that are missing here are refused. */
const PERMISSION_OF: Readonly<Partial<Record<Method, Permission>>> = {
  buildEnvironment: "serverless:apps:write",
  registerApplication: "serverless:apps:write",
  run: "serverless:apps:write",
  updateApplication: "serverless:apps:write",
  listApplications: "serverless:apps:read",
  deleteApplication: "serverless:apps:write",
  rolloutApplication: "serverless:apps:write",
  setAlias: "serverless:apps:write",
  deleteAlias: "serverless:apps:write",
  listAliases: "serverless:apps:read",
  listAliasRunners: "serverless:apps:read",
  listRunners: "serverless:apps:read",
  stopRunner: "serverless:runners:write",
  killRunner: "serverless:runners:write",
  // A shell sees the secrets of a runner, as every deployed app does. Keys for runners alone must not see them.
  shellRunner: "serverless:apps:write",
  setSecret: "serverless:secrets:write",
  listSecrets: "serverless:apps:read",
  createUserKey: "account:keys:write",
  listUserKeys: "account:keys:write",
  revokeUserKey: "account:keys:write",
  listEnvironments: "serverless:apps:read",
  createEnvironment: "serverless:apps:write",
  deleteEnvironment: "serverless:apps:write",
};

/** Keeps the messages of unexpected errors from callers: they may name tables and paths. */
export function discretion(log: Logger): Interceptor {
  const hidden = (error: unknown, name: string): ConnectError => {
    if (error instanceof ConnectError) return error;
    if (error instanceof DatabaseAway) return new ConnectError(error.message, Code.Unavailable);
    if (error instanceof UnstorableValue) return new ConnectError(error.message, Code.InvalidArgument);
    const shortage = shortageOf(error);
    if (shortage !== undefined) return new ConnectError(SHORTAGE_MESSAGES[shortage], Code.ResourceExhausted);
    log.error({ error: (error as Error).stack, call: name }, "a call failed");
    return new ConnectError("The platform failed to handle the call; its log says why.", Code.Internal);
  };
  return (next) => async (request) => {
    try {
      const response = await next(request);
      if (!response.stream) return response;
      const { message } = response;
      return {
        ...response,
        message: (async function* () {
          try {
            yield* message;
          } catch (error) {
            throw hidden(error, request.method.name);
          }
        })(),
      };
    } catch (error) {
      throw hidden(error, request.method.name);
    }
  };
}

/** Lets a call through if its key allows it. */
export function authentication(keys: KeyRing): Interceptor {
  return (next) => async (request) => {
    const { header } = request;
    const id = header.get("auth-key-id");
    const secret = header.get("auth-key");
    const caller =
      id !== null && secret !== null
        ? await keys.callerWithKey(id, secret)
        : await keys.callerOf(header.get("authorization") ?? undefined);
    if (caller === undefined) {
      throw new ConnectError(
        "A valid key is needed: set FAL_KEY, or choose a profile.",
        Code.Unauthenticated,
      );
    }
    const permission = PERMISSION_OF[request.method.localName as Method];
    if (permission === undefined) {
      throw new ConnectError(`This platform has no ${request.method.name}.`, Code.Unimplemented);
    }
    if (!caller.permissions.includes(permission)) {
      throw new ConnectError(
        `Insufficient permissions: ${request.method.name} needs a key with ${permission}.`,
        Code.PermissionDenied,
      );
    }
    return next(request);
  };
}
