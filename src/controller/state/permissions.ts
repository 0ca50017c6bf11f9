import { didYouMean } from "../../did-you-mean.ts";

/** The permissions of keys, by fal's names where fal has one. */
export const PERMISSIONS = [
  "models:requests:submit",
  "serverless:apps:run",
  "serverless:apps:read",
  "serverless:apps:write",
  "serverless:logs:read",
  "serverless:runners:write",
  "serverless:secrets:write",
  "serverless:files:write",
  "account:settings:read",
  "account:keys:write",
] as const;

/** One thing that a key may be allowed to do. */
export type Permission = (typeof PERMISSIONS)[number];

const READING: readonly Permission[] = [
  "serverless:apps:read",
  "serverless:logs:read",
  "account:settings:read",
];
const CALLING: readonly Permission[] = ["models:requests:submit", "serverless:apps:run"];
const DEPLOYING: readonly Permission[] = [
  "serverless:apps:read",
  "serverless:apps:write",
  "serverless:logs:read",
  "serverless:files:write",
  "account:settings:read",
];

/** The permissions of each preset. BILLING and AGENT name things that this platform does not have. */
const PRESETS: Readonly<Record<string, readonly Permission[]>> = {
  FULL: PERMISSIONS,
  API: [...CALLING],
  DEPLOY: DEPLOYING,
  READONLY: READING,
  COMPUTE: [...READING, "serverless:runners:write"],
  SERVERLESS: [...CALLING, ...DEPLOYING, "serverless:runners:write", "serverless:secrets:write"],
  BILLING: ["account:settings:read"],
};

/** The permissions of a preset. @throws RangeError for an unknown one, with a suggestion */
export function permissionsOfPreset(preset: string): readonly Permission[] {
  const permissions = Object.hasOwn(PRESETS, preset) ? PRESETS[preset] : undefined;
  if (permissions !== undefined) return permissions;
  throw new RangeError(unknown("preset", preset, Object.keys(PRESETS)));
}

/** Checks the names of permissions. @throws RangeError for an unknown one, with a suggestion */
export function parsePermissions(names: readonly string[]): readonly Permission[] {
  return names.map((name) => {
    const known = PERMISSIONS.find((permission) => permission === name);
    if (known === undefined) throw new RangeError(unknown("permission", name, PERMISSIONS));
    return known;
  });
}

function unknown(what: string, name: string, names: readonly string[]): string {
  return `This platform has no ${what} "${name}"${didYouMean(name, names) || `; it has ${names.join(", ")}.`}`;
}
