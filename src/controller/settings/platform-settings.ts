import {
  flag,
  isRecord,
  misfit,
  textMatching,
  wholeNumber,
  type Check,
  type Checked,
} from "../../settings/check.ts";
import type { MachineType } from "../state/machine-types.ts";

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

const daysOrForever: Check<number | "forever"> = (value) => (value === "forever" ? value : days(value));

/** A size of the machine's memory, in MB; "auto" leaves it to the platform. */
const megabytes: Check<number | "auto"> = (value) =>
  value === "auto" || (typeof value === "number" && value > 0)
    ? value
    : misfit('a positive number of megabytes, or "auto"', value);

/** The fields of a machine type, as they are in the file. */
const TYPE_FIELDS: Readonly<Record<string, { readonly name: keyof MachineType; readonly isWhole: boolean }>> =
  {
    memory_mb: { name: "memoryMb", isWhole: false },
    cpus: { name: "cpus", isWhole: false },
    gpus: { name: "gpus", isWhole: true },
  };

const machineTypes: Check<Readonly<Record<string, MachineType>>> = (value) => {
  const expected = "a table for each machine type, with numbers for memory_mb, cpus and gpus";
  if (!isRecord(value)) return misfit(expected, value);
  const types: Record<string, MachineType> = {};
  for (const [typeName, fields] of Object.entries(value)) {
    if (!isRecord(fields)) return misfit(expected, fields);
    const type: { -readonly [Name in keyof MachineType]: MachineType[Name] } = {};
    for (const [fieldName, number] of Object.entries(fields)) {
      const field = Object.hasOwn(TYPE_FIELDS, fieldName) ? TYPE_FIELDS[fieldName] : undefined;
      const isValid =
        typeof number === "number" && (field?.isWhole ? Number.isInteger(number) && number >= 0 : number > 0);
      if (field === undefined || !isValid) return misfit(expected, { [typeName]: { [fieldName]: number } });
      type[field.name] = number;
    }
    types[typeName] = type;
  }
  return types;
};

/**
 * Every setting of the platform, by the table of `platform.toml` that it is in. In the file, names have underscores:
 * `logs_days`. docs/guides/self-host.md lists the same settings, which a test checks.
 */
export const PLATFORM_SETTINGS = {
  machine: {
    memoryMb: {
      check: megabytes,
      default: "auto",
      doc: "memory for all runners together; `auto` for 90 % of the machine's",
    },
    types: {
      check: machineTypes,
      default: undefined,
      doc: "machine types besides the four, or instead of them",
    },
  },
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
    arrivalsDays: {
      check: days,
      default: 7,
      doc: "time the arrivals are kept that `servable simulate` replays",
    },
    requestsDays: {
      check: days,
      default: 30,
      doc: "time requests of the queue are kept after their end, with inputs and answers",
    },
    filesDays: {
      check: days,
      default: 1,
      doc: "time files that no revision has are kept, and parts of uploads that were not completed",
    },
    objectsDays: {
      check: daysOrForever,
      default: "forever",
      doc: "maximum time a stored file is kept, also if its sender wants more",
    },
    webhooksDays: {
      check: days,
      default: 30,
      doc: "time webhooks and their attempts are kept after their end",
    },
  },
  limits: {
    waitingPerApp: {
      check: wholeNumber(1),
      default: 1_000,
      doc: "maximum number of requests and sockets that wait for a runner of an app. Others are answered 429",
    },
    waiting: {
      check: wholeNumber(1),
      default: 5_000,
      doc: "the same for all apps together. Each waiting request takes up to 64 KiB of memory",
    },
    runningPerKey: {
      check: wholeNumber(0),
      default: 0,
      doc: "maximum number of requests and sockets of a key at a time, waiting ones included. 0: no limit",
    },
    objectMb: {
      check: wholeNumber(1),
      default: 5_000,
      doc: "maximum size of a stored file. Larger uploads are refused",
    },
    requestsPerMinutePerKey: {
      check: wholeNumber(0),
      default: 0,
      doc: "maximum number of requests and sockets that a key begins within a minute. 0: no limit",
    },
  },
  storage: {
    publicUrl: {
      check: textMatching(/^https?:\/\/[^\s?#]+$/i, 'an address such as "https://files.example.com"'),
      default: undefined,
      doc: "the address of the platform in the URLs of stored files, if not the one that the caller has used",
    },
  },
  webhooks: {
    allowPrivate: {
      check: flag,
      default: false,
      doc: "`true` lets webhooks reach this machine and its network. Callers then reach the services there",
    },
  },
  quotas: {
    logsMb: {
      check: wholeNumber(1),
      default: 5_000,
      doc: "maximum size of the output of all runners. The oldest output is removed, of runners that have ended first",
    },
    queueInputMb: {
      check: wholeNumber(1),
      default: 200,
      doc: "maximum size of an input of the queue. Larger ones are answered 413",
    },
    queueAnswerMb: {
      check: wholeNumber(1),
      default: 200,
      doc: "maximum size of an answer in the queue. A larger one ends its request with 507",
    },
    filesMb: {
      check: wholeNumber(1),
      default: 50_000,
      doc: "maximum size of the files of all deployments. Uploads beyond it are refused",
    },
    valuesMb: {
      check: wholeNumber(1),
      default: 1_000,
      doc: "maximum size of the values of all KVStores in an environment. Values beyond it are answered 507",
    },
    objectsMb: {
      check: wholeNumber(1),
      default: 50_000,
      doc: "maximum size of all stored files, with parts of uploads. Uploads beyond it are refused",
    },
    objectsMbPerEnvironment: {
      check: wholeNumber(0),
      default: 0,
      doc: "the same for the files of an environment. 0: no limit",
    },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, PlatformSetting>>>>;

type Tables = typeof PLATFORM_SETTINGS;

/** The settings of a platform, with defaults. */
export type PlatformSettings = {
  readonly [Table in keyof Tables]: {
    readonly [Name in keyof Tables[Table]]: Tables[Table][Name] extends {
      readonly check: infer C;
      readonly default: infer Default;
    }
      ? Checked<C> | (Default extends undefined ? undefined : never)
      : never;
  };
};

/** The name of a setting or a table in the file. */
export function fileName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
