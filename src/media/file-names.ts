import { randomBytes } from "node:crypto";
import { cleanName } from "../storage/clean-name.ts";
import { extensionOf } from "./content-inspection.ts";

/** The name under which a file is stored: the given one as far as every storage accepts it, otherwise a random one. */
export function storedName(given: string | undefined, contentType: string): string {
  const name = cleanName(given ?? "");
  return name === "" ? `${randomBytes(16).toString("hex")}${extensionOf(contentType)}` : name;
}
