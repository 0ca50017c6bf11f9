import type { Definition } from "./revisions.ts";
import type { SecretBox } from "./secrets.ts";

type Image = Definition["image"];

/** The fields of an image that are secret: those of its build, and logins for registries. */
const SECRET_FIELDS = ["secrets", "registries"] as const;
/** The field that has them in the database. */
const SEALED = "sealed_fields";
/** Bound to the value: it can't be opened as a secret of an environment. */
const CONTEXT = JSON.stringify(["image"]);

/** An image as the database keeps it: its secrets are encrypted. */
export function sealImage(box: SecretBox, image: Image): Image {
  const rest: Record<string, unknown> = { ...image };
  // Only the platform's own is ever opened.
  delete rest[SEALED];
  const fields: Record<string, unknown> = {};
  for (const name of SECRET_FIELDS) {
    if (rest[name] !== undefined) fields[name] = rest[name];
    delete rest[name];
  }
  if (Object.keys(fields).length === 0) return rest;
  return { ...rest, [SEALED]: box.seal(JSON.stringify(fields), CONTEXT).toString("base64") };
}

/** An image with its secrets. Those of revisions of earlier versions are not encrypted. @throws Error for another key */
export function openImage(box: SecretBox, image: Image): Image {
  const { [SEALED]: sealed, ...rest } = image;
  if (typeof sealed !== "string") return image;
  let fields: Image;
  try {
    fields = JSON.parse(box.open(Buffer.from(sealed, "base64"), CONTEXT)) as Image;
  } catch (error) {
    throw new Error("The secrets of its image can't be opened with secrets.key: deploy it again.", {
      cause: error,
    });
  }
  return { ...rest, ...fields };
}
