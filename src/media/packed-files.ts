import type { CallFiles } from "./call-files.ts";
import { createFile } from "./create-file.ts";
import type { FileBinding } from "./file-binding.ts";
import type { Content } from "./file-content.ts";
import { filesIn, replaceFiles, replaceWhere } from "./file-walk.ts";
import type { MediaFile } from "./media-file.ts";
import type { MediaKind, StatedFacts } from "./wire-file.ts";

/** The key that tells a packed file from data of the app. */
const PACKED = "\0servable:file";

/** A file in a form that can be sent to another process of this machine. */
interface PackedFile {
  readonly [PACKED]: MediaKind;
  readonly url: string | undefined;
  readonly facts: StatedFacts;
  /** Undefined for a new file that is stored elsewhere. */
  readonly content: Content | undefined;
  /** The receiver has to remove the file with the content. */
  readonly isHandedOver: boolean;
  /** Of a caller's file: the limits of its schema, and where it is in the request. */
  readonly place: Pick<FileBinding, "limits" | "loc"> | undefined;
}

/**
 * Replaces the files in a value by what can be sent to another process: bytes, or paths of files.
 * @param handsOver whether the receiver has to remove temporary files
 */
export async function packFiles(value: unknown, files: CallFiles, handsOver: boolean): Promise<unknown> {
  const found = new Set(filesIn(value).map(({ file }) => file));
  if (found.size === 0) return value;
  const packed = new Map<MediaFile, PackedFile>();
  await Promise.all([...found].map(async (file) => packed.set(file, await packFile(file, files, handsOver))));
  return replaceFiles(value, (file) => packed.get(file));
}

async function packFile(file: MediaFile, files: CallFiles, handsOver: boolean): Promise<PackedFile> {
  const { kind, url, limits } = file;
  const isCallers = limits !== undefined;
  // Its content is stored elsewhere already.
  if (url !== undefined && !isCallers)
    return {
      [PACKED]: kind,
      url,
      facts: file.stated,
      content: undefined,
      isHandedOver: false,
      place: undefined,
    };
  const { content, facts } = isCallers
    ? { content: await file.load(), facts: file.stated }
    : await file.settle(files);
  const { path } = content;
  const isHandedOver = handsOver && path !== undefined && files.giveUp(path);
  const place = isCallers && file.binding !== undefined ? { limits, loc: file.binding.loc } : undefined;
  return { [PACKED]: kind, url, facts, content, isHandedOver, place };
}

/** Replaces what {@link packFiles} has made in another process by files. */
export function unpackFiles(value: unknown, files: CallFiles): unknown {
  return replaceWhere(value, isPacked, (item) => {
    const { [PACKED]: kind, url, facts, content, isHandedOver, place } = item as PackedFile;
    if (isHandedOver && content?.path !== undefined) files.add(content.path);
    const file =
      url === undefined
        ? createFile(kind, { content: content as Content }, facts)
        : createFile(kind, content === undefined ? { url } : { url, content }, facts);
    if (place !== undefined)
      file.bind({ ...place, signal: NEVER, temporary: files, allowedHosts: [], isChecked: true });
    return file;
  });
}

/** The signal of the call stays in the main process. */
const NEVER = new AbortController().signal;

function isPacked(item: object): boolean {
  return Object.hasOwn(item, PACKED);
}
