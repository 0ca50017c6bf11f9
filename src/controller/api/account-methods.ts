import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  CreateUserKeyRequest_Scope,
  type IsolateController,
} from "../../platform/generated/controller_pb.ts";
import { didYouMean } from "../../did-you-mean.ts";
import type { KeyRing } from "../gateway/key-ring.ts";
import { listApps } from "../state/apps.ts";
import {
  createEnvironment,
  deleteEnvironment,
  findEnvironment,
  listEnvironments,
  MAIN_ENVIRONMENT,
} from "../state/environments.ts";
import { listRunners } from "../state/runners.ts";
import { createKey, listKeys, revokeKey } from "../state/keys.ts";
import { parsePermissions, permissionsOfPreset } from "../state/permissions.ts";
import { deleteSecret, listSecrets, setSecret, type SecretBox } from "../state/secrets.ts";
import type { Database } from "../store/database.ts";

/** The parts that the calls need. */
export interface AccountParts {
  readonly database: Database;
  readonly secrets: SecretBox;
  readonly keys: KeyRing;
}

/** Letters, digits, dashes, underscores and dots: names of apps and environments are parts of addresses. */
export const NAME = /^[A-Za-z0-9][\w.-]{0,99}$/;
const SECRET_NAME = /^[A-Za-z_]\w{0,254}$/;

/** The calls about secrets, keys and environments. */
export function accountMethods({
  database,
  secrets,
  keys,
}: AccountParts): Partial<ServiceImpl<typeof IsolateController>> {
  return {
    setSecret: async ({ name, value, environmentName = MAIN_ENVIRONMENT, defaultExposed = true }) => {
      await assertEnvironment(database, environmentName);
      if (!SECRET_NAME.test(name)) {
        throw new ConnectError(
          `The name of a secret is that of an environment variable, not ${JSON.stringify(name)}.`,
          Code.InvalidArgument,
        );
      }
      if (value !== undefined) {
        await setSecret(database, secrets, {
          name,
          value,
          environment: environmentName,
          isExposedByDefault: defaultExposed,
        });
      } else if (!(await deleteSecret(database, environmentName, name))) {
        throw new ConnectError(`There is no secret ${name} in ${environmentName}.`, Code.NotFound);
      }
      return {};
    },
    listSecrets: async ({ environmentName }) => ({
      secrets: (await listSecrets(database, environmentName)).map((row) => ({
        name: row.name,
        createdTime: timestampFromDate(row.createdAt),
        environmentName: row.environment,
        defaultExposed: row.isExposedByDefault,
      })),
    }),
    createUserKey: async ({ alias, policyPreset, policy, scope }) => {
      const preset = policyPreset ?? (scope === CreateUserKeyRequest_Scope.API ? "API" : "FULL");
      const permissions = named(() =>
        policy === undefined ? permissionsOfPreset(preset) : parsePermissions(policy.permissions),
      );
      const { id, secret } = await createKey(database, {
        description: alias,
        permissions,
        ...(policy === undefined ? { preset } : {}),
      });
      return { keyId: id, keySecret: secret };
    },
    listUserKeys: async () => ({
      userKeys: (await listKeys(database)).map((key) => ({
        keyId: key.id,
        createdAt: timestampFromDate(key.createdAt),
        scope: key.preset === "API" ? CreateUserKeyRequest_Scope.API : CreateUserKeyRequest_Scope.ADMIN,
        alias: key.description ?? "",
      })),
    }),
    revokeUserKey: async ({ keyId }) => {
      if (!(await revokeKey(database, keyId)))
        throw new ConnectError(`There is no key ${keyId}.`, Code.NotFound);
      keys.forget();
      return {};
    },
    listEnvironments: async () => ({
      environments: (await listEnvironments(database)).map((row) => ({
        name: row.name,
        ...(row.description === null ? {} : { description: row.description }),
        isDefault: row.name === MAIN_ENVIRONMENT,
        createdAt: timestampFromDate(row.createdAt),
      })),
    }),
    createEnvironment: async ({ name, description }) => {
      if (!NAME.test(name) || name.includes("--")) {
        throw new ConnectError(
          `${JSON.stringify(name)} can't be the name of an environment: use letters, digits, "-", "_" and ".".`,
          Code.InvalidArgument,
        );
      }
      const row = await createEnvironment(database, name, description);
      if (row === undefined)
        throw new ConnectError(`There is an environment ${name} already.`, Code.AlreadyExists);
      return {
        environment: {
          name: row.name,
          ...(row.description === null ? {} : { description: row.description }),
          isDefault: false,
          createdAt: timestampFromDate(row.createdAt),
        },
      };
    },
    deleteEnvironment: async ({ name }) => {
      if (name === MAIN_ENVIRONMENT)
        throw new ConnectError(`${MAIN_ENVIRONMENT} can't be deleted.`, Code.FailedPrecondition);
      await assertEnvironment(database, name);
      const apps = await listApps(database, name);
      if (apps.length > 0) {
        throw new ConnectError(
          `${name} still has apps: ${apps.map((app) => app.name).join(", ")}. Delete them first.`,
          Code.FailedPrecondition,
        );
      }
      const runners = await listRunners(database, { environment: name });
      if (runners.length > 0) {
        throw new ConnectError(
          `${name} still has ${runners.length} runners that end: try again in a moment.`,
          Code.FailedPrecondition,
        );
      }
      await deleteEnvironment(database, name);
      return {};
    },
  };
}

/** @throws ConnectError if there is no such environment, with a suggestion */
export async function assertEnvironment(database: Database, name: string): Promise<void> {
  if ((await findEnvironment(database, name)) !== undefined) return;
  const names = (await listEnvironments(database)).map((row) => row.name);
  throw new ConnectError(
    `There is no environment ${name}${didYouMean(name, names) || `: create it with "servable environments create ${name}".`}`,
    Code.NotFound,
  );
}

/** Runs a check whose errors are those of the caller. */
function named<Value>(check: () => Value): Value {
  try {
    return check();
  } catch (error) {
    throw new ConnectError((error as Error).message, Code.InvalidArgument);
  }
}
