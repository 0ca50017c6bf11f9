import { DefinitionError } from "../errors.ts";
import { Misfit } from "../settings/check.ts";
import { storage, type StorageOptions, type StorageSetting } from "../settings/storage.ts";
import { DataStorage } from "./data-storage.ts";
import type { FileStorage, StorageParts } from "./file-storage.ts";
import { isOnFal } from "./fal-account.ts";
import { FalStorage } from "./fal-storage.ts";
import { LocalStorage } from "./local-storage.ts";
import { S3Storage } from "./s3-storage.ts";

/** The variable with the name of the storage of classes that name none. */
const VARIABLE = "SERVABLE_STORAGE";

/**
 * The storage that applies: that of the class, otherwise the one that the variable `SERVABLE_STORAGE` names, otherwise fal's
 * on a runner of fal, and data URIs elsewhere.
 * @throws DefinitionError for an unknown name in the variable
 */
export function chosenStorage(setting: StorageSetting | undefined): StorageOptions {
  const chosen = setting ?? fromEnvironment() ?? (isOnFal(process.env) ? "fal" : "data");
  return typeof chosen === "string" ? { kind: chosen } : chosen;
}

function fromEnvironment(): StorageSetting | undefined {
  const name = process.env[VARIABLE];
  if (name === undefined || name === "") return undefined;
  const checked = storage(name);
  if (!(checked instanceof Misfit)) return checked;
  throw new DefinitionError(
    "SETTING_INVALID",
    `The variable ${VARIABLE} must be ${checked.expected}, got ${checked.got}.`,
  );
}

/** Creates the storage with these options. @throws DefinitionError if the environment lacks what it needs */
export function createStorage(options: StorageOptions, parts: StorageParts): FileStorage {
  switch (options.kind) {
    case "data":
      return new DataStorage();
    case "local":
      return new LocalStorage(options, parts);
    case "s3":
      return new S3Storage(options);
    case "fal":
      return new FalStorage(options);
  }
}
