import { UploadFailure } from "./upload-failure.ts";

/**
 * A path in a context folder in its one form: segments with `/` between them, `.` for the folder itself. Separators of
 * Windows become `/` on every system, so that a configuration written there means the same here.
 *
 * @throws UploadFailure when it is empty, absolute, has a `..` or a NUL.
 */
export function contextPath(path: string): string {
  if (path === "") throw new UploadFailure('A path of the context is empty; "." is the whole folder.');
  if (path.includes("\0")) throw new UploadFailure(`${JSON.stringify(path)} has a NUL in it.`);
  const slashed = path.replaceAll("\\", "/");
  if (slashed.startsWith("/") || /^[A-Za-z]:(?:\/|$)/.test(slashed)) {
    throw new UploadFailure(`${path} is an absolute path; give it relative to the context folder.`);
  }
  const segments = slashed.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) {
    throw new UploadFailure(`${path} leads out of the context folder: ".." is not allowed.`);
  }
  return segments.join("/") || ".";
}

/** Puts a name below a context path. */
export function below(path: string, name: string): string {
  return path === "." ? name : `${path}/${name}`;
}
