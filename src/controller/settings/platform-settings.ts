import { misfit, wholeNumber, type Check, type Checked } from "../../settings/check.ts";

/** A setting of the platform. */
export interface PlatformSetting {
  readonly check: Check;
  readonly default: unknown;
  /** Its meaning, for the list of settings and the guide. */
  readonly doc: string;
}

/** A number of days; parts of a day are allowed. */
const days: Check<number> = (value) =>
  typeof value === "number" && value > 0 && value <= 36_500
    ? value
    : misfit("a positive number of days", value);

/**
 * Every setting of the platform, by the table of `platform.toml` that it is in. In the file, names have underscores:
 * `logs_days`. docs/guides/self-host.md lists the same settings, which a test checks.
 */
export const PLATFORM_SETTINGS = {
  retention: {
    logsDays: {
      check: days,
      default: 7,
      doc: "time the output and the record of a runner are kept after its end",
    },
    decisionsDays: {
      check: days,
      default: 30,
      doc: "time the decisions that `servable why` lists are kept",
    },
  },
  quotas: {
    logsMb: {
      check: wholeNumber(1),
      default: 5_000,
      doc: "maximum size of the output of all runners. The oldest output is removed, of runners that have ended first",
    },
    filesMb: {
      check: wholeNumber(1),
      default: 50_000,
      doc: "maximum size of the files of all deployments. Uploads beyond it are refused",
    },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, PlatformSetting>>>>;

type Tables = typeof PLATFORM_SETTINGS;

/** The settings of a platform, with defaults. */
export type PlatformSettings = {
  readonly [Table in keyof Tables]: {
    readonly [Name in keyof Tables[Table]]: Tables[Table][Name] extends { readonly check: infer C }
      ? Checked<C>
      : never;
  };
};

/** The name of a setting or a table in the file. */
export function fileName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
