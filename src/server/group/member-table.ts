import { DefinitionError } from "../../errors.ts";

/** The place of a class among the classes on a port. */
interface Placed {
  /** The name of its class or app, for messages. */
  readonly name: string;
  /** The path that its requests begin with, such as `/text-to-image`. */
  readonly prefix: string;
}

/** Paths of the server itself. */
const OWN_PATHS: readonly string[] = ["/health", "/livez", "/readyz"];
/** Characters that nobody encodes in a path, so that there is one way to write a prefix. */
const PREFIX = /^(?:\/[A-Za-z0-9._~-]+)+$/;
const SLASH = 0x2f;
const QUESTION_MARK = 0x3f;

/** The classes on a port by the prefixes of their paths. */
export class MemberTable<M extends Placed> {
  readonly #members: readonly M[];
  readonly #rootPath: string;

  /** @param rootPath the path that precedes the prefixes behind a proxy; empty if there is none */
  constructor(members: readonly M[], rootPath: string) {
    this.#members = members;
    this.#rootPath = rootPath;
  }

  /**
   * The class whose prefix a request's URL carries, byte for byte; undefined for all other URLs. Nothing is decoded or
   * normalized, so no other way to write a path leads to a class.
   */
  find(url: string): M | undefined {
    const start =
      this.#rootPath === "" || !startsWithPath(url, this.#rootPath, 0) ? 0 : this.#rootPath.length;
    for (const member of this.#members) if (startsWithPath(url, member.prefix, start)) return member;
    return undefined;
  }

  /** The URL with the root path, which a proxy may have removed. */
  withRootPath(url: string): string {
    return this.#rootPath === "" || startsWithPath(url, this.#rootPath, 0) ? url : this.#rootPath + url;
  }
}

/** @throws DefinitionError for an invalid prefix, or if two of them could be mistaken for each other */
export function assertPrefixes(members: readonly Placed[], rootPath: string): void {
  for (const member of members) assertPrefix(member, rootPath);
  for (const [index, member] of members.entries()) {
    for (const other of members.slice(index + 1)) assertApart(member, other);
  }
}

/** Whether a path follows at this position, up to a slash, a query or the end. */
function startsWithPath(url: string, path: string, start: number): boolean {
  if (!url.startsWith(path, start)) return false;
  const end = start + path.length;
  if (end === url.length) return true;
  const next = url.charCodeAt(end);
  return next === SLASH || next === QUESTION_MARK;
}

function assertPrefix({ name, prefix }: Placed, rootPath: string): void {
  const is = `The prefix ${JSON.stringify(prefix)} of ${name}`;
  if (typeof prefix !== "string" || !PREFIX.test(prefix) || prefix.split("/").some(isDots)) {
    throw invalid(
      `${is} is not valid; write a path such as "/text-to-image", of letters, digits and - . _ ~ between slashes, ` +
        "without a slash at its end.",
    );
  }
  const own = OWN_PATHS.find((path) => startsWithPath(prefix, path, 0));
  if (own !== undefined) throw invalid(`${is} is taken: the server itself answers ${own}. Choose another.`);
  if (rootPath !== "" && (startsWithPath(prefix, rootPath, 0) || startsWithPath(rootPath, prefix, 0))) {
    throw invalid(`${is} can be mistaken for the root path ${rootPath}, which precedes it. Choose another.`);
  }
}

function assertApart(one: Placed, other: Placed): void {
  if (one.prefix === other.prefix) {
    throw invalid(
      `${one.name} and ${other.name} both have the prefix ${one.prefix}. Choose another for one of them: ` +
        `${one.prefix}-2=FILE on the command line, { class, prefix: "${one.prefix}-2" } in serve().`,
    );
  }
  const [outer, inner] = one.prefix.length < other.prefix.length ? [one, other] : [other, one];
  if (!startsWithPath(inner.prefix, outer.prefix, 0)) return;
  throw invalid(
    `The prefix ${inner.prefix} of ${inner.name} lies below ${outer.prefix}, the prefix of ${outer.name}. ` +
      "Choose prefixes of which none lies below another.",
  );
}

function isDots(segment: string): boolean {
  return segment === "." || segment === "..";
}

function invalid(message: string): DefinitionError {
  return new DefinitionError("SETTING_INVALID", message);
}
