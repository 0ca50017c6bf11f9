import { MediaFile } from "./media-file.ts";

/** A file in a value, and the way to it. */
export interface PlacedFile {
  readonly file: MediaFile;
  readonly path: readonly (string | number)[];
}

/** Maximum depth in which files are looked for. Values of callers are limited already. */
const MAX_DEPTH = 512;

/** All files in a value: in lists, plain objects and objects of classes with fields. */
export function filesIn(value: unknown): PlacedFile[] {
  const found: PlacedFile[] = [];
  const seen = new Set<object>();
  const look = (item: unknown, path: readonly (string | number)[]): void => {
    if (!isContainer(item) || path.length > MAX_DEPTH || seen.has(item)) return;
    if (item instanceof MediaFile) return void found.push({ file: item, path });
    seen.add(item);
    if (Array.isArray(item)) item.forEach((inner, index) => look(inner, [...path, index]));
    else for (const [key, inner] of Object.entries(item)) look(inner, [...path, key]);
  };
  look(value, []);
  return found;
}

/** A copy of a value in which `replace` has replaced files. Parts without files are not copied. */
export function replaceFiles(value: unknown, replace: (file: MediaFile) => unknown): unknown {
  return replaceWhere(
    value,
    (item) => item instanceof MediaFile,
    (item) => replace(item as MediaFile),
  );
}

/** A copy of a value in which the parts that `isWanted` names are replaced. Parts without any are not copied. */
export function replaceWhere(
  value: unknown,
  isWanted: (item: object) => boolean,
  replace: (item: object) => unknown,
): unknown {
  const known = new Map<object, unknown>();
  const copy = (item: unknown, depth: number): unknown => {
    if (!isContainer(item) || depth > MAX_DEPTH) return item;
    if (isWanted(item)) return replace(item);
    if (known.has(item)) return known.get(item);
    known.set(item, item); // a circular value is returned as it is, and refused later
    const changed = Array.isArray(item) ? copyList(item, depth) : copyFields(item, depth);
    known.set(item, changed);
    return changed;
  };
  const copyList = (list: readonly unknown[], depth: number): unknown => {
    const copied = list.map((item) => copy(item, depth + 1));
    return copied.some((item, index) => item !== list[index]) ? copied : list;
  };
  const copyFields = (fields: object, depth: number): unknown => {
    let copied: Record<string, unknown> | undefined;
    for (const [key, item] of Object.entries(fields)) {
      const changed = copy(item, depth + 1);
      if (changed === item) continue;
      // With the same prototype, whose getters may be fields of the result.
      copied ??= Object.assign(Object.create(Object.getPrototypeOf(fields) as object | null), fields);
      (copied as Record<string, unknown>)[key] = changed;
    }
    return copied ?? fields;
  };
  return copy(value, 0);
}

/** Whether a value may have files in it. Bytes have very many entries. */
function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null && !ArrayBuffer.isView(value);
}
