import { join } from "node:path";
import { FileLock } from "../../cache/file-lock.ts";
import { platformFailure } from "../failure.ts";

/** Only one platform at a time uses a folder. @throws StartupError that has the holder's process */
export async function takeFolder(root: string): Promise<FileLock> {
  const lock = await tryTakeFolder(root);
  if (lock instanceof FileLock) return lock;
  throw platformFailure(
    `Another platform, process ${lock.pid}, uses ${root}: stop it with "servable down", or give another folder with --state.`,
  );
}

/** The same, without an error if a platform runs. @returns the lock, or the process that holds it */
export async function tryTakeFolder(root: string): Promise<FileLock | { readonly pid: number }> {
  let holder: { readonly pid: number } | undefined;
  return FileLock.acquire<FileLock | { readonly pid: number }>(join(root, "platform.lock"), {
    onWait: (mark) => (holder = mark),
    instead: () => holder,
  });
}
