import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../../errors.ts";
import { IsolatedFunction } from "../../functions/isolated-function.ts";
import { schemasOf } from "../../functions/options.ts";
import { functionServable } from "../../functions/served-function.ts";
import type { ContainerImage } from "../../packaging/container-image.ts";
import {
  runDeployment,
  type DeploymentResult,
  type DeployOptions,
} from "../../platform/deployment/deploy.ts";
import { PlatformSession } from "../../platform/transport/platform-session.ts";
import { appClassOf } from "../../servable/app.ts";
import { deriveAppName } from "../../servable/app-name.ts";
import { isServableClass, type BaseServable, type ServableClass } from "../../servable/base-servable.ts";
import { appDeployment } from "./app-deployment.ts";
import { createFunctionImage, machineSettings } from "./function-image.ts";
import type { ServerlessRunsOptions } from "./serverless-runs.ts";
import { omitUndefined } from "../../settings/defined-fields.ts";

/** A served function, a class, or an instance of a class. */
export type Registrable = IsolatedFunction<[], void> | ServableClass | BaseServable;

/** Options of a registration. They take precedence over the app's own settings. */
export interface RegisterOptions extends Partial<
  Pick<
    DeployOptions,
    | ("appName" | "auth" | "strategy" | "attach" | "resetScale" | "noCache" | "message" | "annotations")
    | ("onPhase" | "onLog" | "onUpload" | "onWarning" | "signal")
  >
> {
  /** The image of a class. Default: its `static image`. */
  readonly image?: ContainerImage;
}

type Registered = Omit<DeployOptions, "image"> & { readonly image: ContainerImage };

/** Deploys a permanent app. @throws UsageError if the app can't be registered; the errors of `deploy` */
export async function register(
  what: Registrable,
  options: RegisterOptions,
  parts: ServerlessRunsOptions,
): Promise<DeploymentResult> {
  const folder = await mkdtemp(join(tmpdir(), "servable-register-"));
  try {
    const registered =
      what instanceof IsolatedFunction
        ? await ofFunction(what, options, { folder, baseImage: parts.baseImage })
        : await ofServable(servableOf(what), options);
    using session = new PlatformSession(parts.target);
    const [{ connection }, { send: rest }] = await Promise.all([session.grpc(), session.rest()]);
    return await runDeployment(
      { connection, rest, cancelsUploads: true },
      {
        ...registered,
        ...omitUndefined({ environment: parts.environmentName }),
        ...omitUndefined(options),
        image: registered.image,
      },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ofFunction(
  { target, rawFunction }: IsolatedFunction<[], void>,
  { image, onWarning = () => {} }: RegisterOptions,
  { folder, baseImage }: { readonly folder: string; readonly baseImage: string | undefined },
): Promise<Registered> {
  const { name, options } = target;
  if (options.gateway.serve !== true) {
    throw new UsageError(
      `${name} is not served: nobody could call it by itself. Add serve: true, or call it from a program.`,
    );
  }
  if (image !== undefined)
    throw new UsageError(`The image of ${name} is an option of the function, not of register().`);
  const plainName = name.replace(/\(\)$/, "");
  const servable = await functionServable(rawFunction, plainName, schemasOf(options.gateway));
  const { metadata, privateLogs, secrets, dataMounts } = options.host;
  return {
    appName: deriveAppName(plainName),
    image: await createFunctionImage(target, { baseImage, folder, onWarning }),
    machine: machineSettings(options),
    healthCheck: { path: "/health" },
    openapi: await servable.openapi(),
    ...{ metadata, privateLogs, secrets, dataMounts },
    noCache: options.environment.force,
  };
}

/** @throws UsageError for anything else */
function servableOf(what: ServableClass | BaseServable): BaseServable {
  if (isServableClass(what)) return new what();
  if (typeof (what as Partial<BaseServable> | undefined)?.collectRoutes === "function") return what;
  throw new UsageError(
    "register() takes a function that is served, a class that extends BaseServable, or an instance of one.",
  );
}

async function ofServable(app: BaseServable, options: RegisterOptions): Promise<Registered> {
  const { name } = app.constructor;
  const own = appClassOf(app)?.image;
  const image = options.image ?? (own as ContainerImage | undefined);
  if (image === undefined) {
    throw new UsageError(
      `${name} has no image: give it a \`static image\`, or register() an image. One is made of its file by "servable deploy FILE".`,
    );
  }
  return { ...(await appDeployment({ name, app })), image };
}
