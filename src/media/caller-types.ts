import type { Static, TSchema } from "typebox";
import type { ImageFile, MediaFile } from "./media-file.ts";
import type { FileRecord, FileWire, ImageRecord, ImageWire } from "./wire-file.ts";

/** The type of what callers send for a schema: each file is a URL, or an object with one. */
export type CallerInput<Schema extends TSchema> = Sent<Static<Schema>>;

/** The type of what callers get for a schema: each file is an object with its URL. */
export type CallerOutput<Schema extends TSchema> = Received<Static<Schema>>;

type Sent<Value> = Value extends ImageFile
  ? ImageWire
  : Value extends MediaFile
    ? FileWire
    : Value extends object
      ? { [Key in keyof Value]: Sent<Value[Key]> }
      : Value;

type Received<Value> = Value extends ImageFile
  ? ImageRecord
  : Value extends MediaFile
    ? FileRecord
    : Value extends object
      ? { [Key in keyof Value]: Received<Value[Key]> }
      : Value;
