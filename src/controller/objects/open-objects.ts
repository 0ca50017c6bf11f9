import { join } from "node:path";
import type { PlatformSettings } from "../settings/platform-settings.ts";
import type { Database } from "../store/database.ts";
import { FolderContents } from "./folder-contents.ts";
import { ObjectQuota } from "./object-quota.ts";
import { Objects } from "./objects.ts";
import { Spool } from "./spool.ts";

const MB = 1_000_000;
const DAY_SECONDS = 24 * 60 * 60;

/** The stored files of a platform, as its settings want them. */
export function openObjects(
  stateDirectory: string,
  { limits, quotas, retention }: PlatformSettings,
  database: Database,
): Objects {
  const folder = join(stateDirectory, "objects");
  const quota = new ObjectQuota({
    maxObjectBytes: limits.objectMb * MB,
    maxBytes: quotas.objectsMb * MB,
    maxEnvironmentBytes:
      quotas.objectsMbPerEnvironment === 0 ? Infinity : quotas.objectsMbPerEnvironment * MB,
  });
  return new Objects({
    database,
    contents: new FolderContents(join(folder, "contents")),
    spool: new Spool(folder, quota),
    quota,
    maxExpirySeconds: retention.objectsDays === "forever" ? undefined : retention.objectsDays * DAY_SECONDS,
    now: Date.now,
  });
}
