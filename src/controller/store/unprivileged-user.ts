import { chownSync, mkdirSync, readFileSync } from "node:fs";

/** A user of this machine that a program runs as. */
export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Users that exist for databases or for nobody, by preference. */
const USERS: readonly string[] = ["postgres", "nobody"];

/**
 * The user that the database runs as: PostgreSQL refuses to run as root. Undefined if this process is not root, so that
 * the database runs as the same user.
 */
export function databaseUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .map(([name = "", , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
  return USERS.map((name) => users.find((user) => user.name === name)).find((user) => user !== undefined);
}

/** Creates a folder that only its owner may enter. */
export function makePrivateFolder(path: string, owner: SystemUser | undefined): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
}
