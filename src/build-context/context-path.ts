import { posix } from "node:path";
import { uploadFailure } from "./file-failures.ts";

const ADDRESS = /^(?:https?|ftp|git|ssh):\/\/|^git@/i;

/**
 * Normalizes a path below a context folder: segments with `/` between them, `.` for the folder itself. Backslashes become
 * `/` on every system, so that a configuration written on Windows means the same elsewhere.
 * @throws FalServerlessError with code UPLOAD_FAILED if it is empty or absolute, or has a `..` or a NUL
 */
export function contextPath(path: string): string {
  if (path === "") throw uploadFailure('A path of the context is empty; "." is the whole folder.');
  if (path.includes("\0")) throw uploadFailure(`${JSON.stringify(path)} has a NUL in it.`);
  const slashed = path.replaceAll("\\", "/");
  if (slashed.startsWith("/") || /^[A-Za-z]:(?:\/|$)/.test(slashed)) {
    throw uploadFailure(`${path} is an absolute path; give it relative to the context folder.`);
  }
  const segments = slashed.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) {
    throw uploadFailure(`${path} leads out of the context folder: ".." is not allowed.`);
  }
  return segments.join("/") || ".";
}

/**
 * The path below the context that a source of COPY or ADD means: Docker resolves "../a" and "/a" to "a". Undefined for a
 * URL and an empty source.
 */
export function copySourcePath(source: string): string | undefined {
  if (source === "" || ADDRESS.test(source)) return undefined;
  return posix.normalize(`/${source}`).replace(/^\/|\/$/g, "") || ".";
}

/** Appends a name to a context path. */
export function joinContextPath(path: string, name: string): string {
  return path === "." ? name : `${path}/${name}`;
}
