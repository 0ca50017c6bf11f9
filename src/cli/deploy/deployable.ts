import { existsSync, readdirSync } from "node:fs";
import { relative, resolve } from "node:path";
import { didYouMean } from "../../did-you-mean.ts";
import { UsageError } from "../../errors.ts";
import { appDeployment } from "../../hosts/serverless/app-deployment.ts";
import { deploymentSettings, type Deployment } from "../../platform/deployment/deploy-request.ts";
import { settingsOf } from "../../settings/settings.ts";
import { omitUndefined, pick } from "../../settings/defined-fields.ts";
import { loadApp } from "../module-loader.ts";
import { imageOfApp, asContainerImage } from "../build/app-image.ts";
import { parseSourceTarget } from "../source-target.ts";
import type { AppConfig, AppSettings, ImageConfig } from "../../deploy-config.ts";
import { findConfig, type DeployConfig } from "./config.ts";
import { ContainerImage, type ContainerImageOptions } from "../../packaging/container-image.ts";

/** An app to deploy. */
export interface Deployable {
  readonly image: ContainerImage;
  readonly deployment: Omit<Deployment, "image">;
  /** The name of the app in a config. */
  readonly configName?: string;
  /** The argument of `servable run` for the same class; undefined for an image. */
  readonly file?: string;
}

const SOURCE = /\.[cm]?[jt]sx?$/;

/**
 * Resolves FILE, FILE::Class or the NAME of an app in a config. If omitted, it is the config's only app, else the only
 * file in the working directory.
 * @throws UsageError, DefinitionError
 */
export async function findDeployable(ref: string | undefined): Promise<Deployable> {
  if (ref !== undefined && looksLikeFile(ref)) return ofClass(ref, {});
  const config = await findConfig();
  if (config !== undefined) {
    const name = ref ?? onlyName(config);
    const app = Object.hasOwn(config.apps, name) ? config.apps[name] : undefined;
    if (app === undefined) throw unknownName(name, config);
    return ofConfig(config, name, app);
  }
  if (ref !== undefined) {
    throw new UsageError(
      `There is no file ${ref}, and no servable.config.ts or "servable" in package.json that has an app of this name.`,
    );
  }
  return ofClass(onlyFile(), {});
}

function looksLikeFile(ref: string): boolean {
  return ref.includes("::") || /[/\\]/.test(ref) || SOURCE.test(ref) || existsSync(ref);
}

function onlyName({ apps, shown }: DeployConfig): string {
  const names = Object.keys(apps);
  const [first] = names;
  if (names.length === 1 && first !== undefined) return first;
  if (first === undefined) throw new UsageError(`${shown} has no apps.`);
  throw new UsageError(`${shown} has several apps; say which one: ${names.join(", ")}.`);
}

function unknownName(name: string, { apps, shown }: DeployConfig): UsageError {
  const names = Object.keys(apps);
  const hint = didYouMean(name, names) || `; it has ${names.join(", ") || "none"}.`;
  return new UsageError(`${shown} has no app "${name}"${hint}`);
}

function onlyFile(): string {
  const files = readdirSync(process.cwd()).filter(
    (name) => SOURCE.test(name) && !/\.(?:d|test|spec|config)\.\w+$/.test(name),
  );
  const [first] = files;
  if (files.length === 1 && first !== undefined) return first;
  throw new UsageError(
    first === undefined
      ? "There is no file to deploy here; give one: servable deploy FILE."
      : `There are several files here; say which one: ${files.sort().join(", ")}.`,
  );
}

async function ofConfig(config: DeployConfig, name: string, app: AppConfig): Promise<Deployable> {
  const { directory, shown } = config;
  const common = {
    appName: app.name ?? name,
    auth: app.auth,
    strategy: app.strategy,
    resetScale: app.resetScale,
  };
  const own: AppSettings = pick(app as AppSettings, settingsOf("config"));
  if (app.image !== undefined) {
    return {
      image: configuredImage(app.image, directory, `${shown}: apps.${name}`),
      deployment: { ...common, ...deploymentSettings(own), healthCheck: app.healthCheck },
      configName: name,
    };
  }
  const [file = "", ...className] = (app.file ?? "").split("::");
  const path = relative(process.cwd(), resolve(directory, file));
  const { image, deployment, file: served } = await ofClass([path, ...className].join("::"), own);
  return {
    image,
    ...omitUndefined({ file: served }),
    deployment: {
      ...deployment,
      ...common,
      auth: app.auth ?? deployment.auth,
      healthCheck: app.healthCheck ?? deployment.healthCheck,
    },
    configName: name,
  };
}

async function ofClass(text: string, config: AppSettings): Promise<Deployable> {
  const loaded = await loadApp(text);
  const image = await imageOfApp(loaded, parseSourceTarget(text).file);
  return { image, deployment: await appDeployment(loaded, config), file: text };
}

/**
 * The image that a config describes. Its paths are relative to the config's folder, and so is COPY by default.
 * @throws UsageError, DefinitionError with code IMAGE_INVALID
 */
function configuredImage(config: ImageConfig, directory: string, where: string): ContainerImage {
  if ("toDict" in config) return asContainerImage(config, where);
  const { dockerfile, image, ...options } = config as {
    readonly dockerfile?: string;
    readonly image?: string;
  };
  if ((dockerfile === undefined) === (image === undefined)) {
    throw new UsageError(`${where}.image needs either a dockerfile or an image.`);
  }
  if (image !== undefined) return ContainerImage.fromImage(image, options);
  const { contextDirectory = ".", ignoreFile, ...others } = options as ContainerImageOptions;
  return ContainerImage.fromDockerfile(resolve(directory, dockerfile as string), {
    ...others,
    contextDirectory: resolve(directory, contextDirectory),
    ...(ignoreFile === undefined ? {} : { ignoreFile: resolve(directory, ignoreFile) }),
  });
}
