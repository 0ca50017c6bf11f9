import type { ContainerImageOptions, ImageRunOptions } from "./packaging/container-image.ts";
import type { HealthCheckSettings } from "./settings/health-check.ts";
import type { AppAuth, AppImage, DeployStrategy } from "./settings/app-values.ts";
import type { SettingsOf, SettingValues } from "./settings/settings.ts";

/** The settings that a config shares with the statics of a class, by the same names. */
export type AppSettings = SettingValues<SettingsOf<"config">>;

/** The image of an app in a config: a `ContainerImage`, a Dockerfile with its options, or the name of an image. */
export type ImageConfig =
  | AppImage
  | ({ readonly dockerfile: string; readonly image?: never } & ContainerImageOptions)
  | ({ readonly image: string; readonly dockerfile?: never } & ImageRunOptions);

/** One app of a config: a class of a file, or an image. Its settings override those of the class. */
export type AppConfig = CommonAppConfig &
  (
    | {
        /** `FILE[::Class]`, relative to the config's folder. */
        readonly file: string;
        readonly image?: never;
      }
    | {
        /** A Dockerfile or an existing image, in place of a file. */
        readonly image: ImageConfig;
        readonly file?: never;
      }
  );

/** The keys of every app of a config. */
interface CommonAppConfig extends AppSettings {
  /** The name of the deployed app. Default: its name in the config. */
  readonly name?: string;
  readonly auth?: AppAuth;
  readonly strategy?: DeployStrategy;
  /** Whether each deployment applies the scale in the config, even if the app was scaled since. Default false. */
  readonly resetScale?: boolean;
  /** Default: the health check of the class, otherwise `GET /health`. An image has none by default. */
  readonly healthCheck?: HealthCheckSettings;
}

/**
 * The default export of `servable.config.ts`: what `servable deploy NAME` deploys.
 *
 * @example
 * ```ts
 * import type { ServableConfig } from "servable";
 *
 * export default {
 *   apps: {
 *     web: { image: { dockerfile: "Dockerfile" }, exposedPort: 8080, healthCheck: { path: "/health" } },
 *   },
 * } satisfies ServableConfig;
 * ```
 */
export interface ServableConfig {
  /** Apps by name; the app is deployed under it unless it has a `name`. */
  readonly apps: Readonly<Record<string, AppConfig>>;
}
