/** The parts of a request's head that matter before its body is read. */
export interface SimpleHead {
  readonly host: string;
  readonly origin: string | undefined;
  /** The declared length of the body, in bytes. */
  readonly bodyBytes: number;
  /** The number of headers. */
  readonly count: number;
  /** The headers of the request that limit its time in a queue. */
  readonly limits: Readonly<Record<"x-fal-request-timeout" | "x-fal-queue-priority", string | undefined>>;
}

/** A whole head of HTTP/1.1 without folded lines or control characters, whose target the router takes literally. */
const HEAD =
  /^[A-Z]+ \/[\w!$&'()+,\-./;=@~]* HTTP\/1\.1\r\n(?:[\w!#$%&'*+\-.^`|~]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n$/;
const LENGTH = /^\d{1,9}$/;
/** More lines are left to Node, which limits them. */
const MAX_LINES = 100;

/** Headers that change where a request ends, who may send it, or what its answer is. */
const NOT_SIMPLE: ReadonlySet<string> = new Set([
  ...["transfer-encoding", "upgrade", "expect", "proxy-connection", "sec-fetch-site"],
  "x-app-fal-upload-policy",
]);
const READ = new Set(["host", "origin", "content-length", "x-fal-request-timeout", "x-fal-queue-priority"]);
/** The lengths of these names: most other names are skipped by their length. */
const LENGTHS: ReadonlySet<number> = new Set(
  [...NOT_SIMPLE, ...READ, "connection"].map(({ length }) => length),
);

/** The method and the target of a request, such as `POST /path`, from the start of its head; undefined without any. */
export function targetOf(head: string): string | undefined {
  const end = head.indexOf(" HTTP/1.1\r\n");
  return end === -1 ? undefined : head.slice(0, end);
}

/**
 * Reads a head that leaves no doubt about its meaning: every parser finds the same end of the request. Undefined for
 * any other head, which Node's parser must read.
 * @param head up to and including the empty line, one character per byte
 */
export function readSimpleHead(head: string): SimpleHead | undefined {
  if (!HEAD.test(head)) return undefined;
  const found: Record<string, string> = {};
  let lines = 0;
  for (let at = head.indexOf("\r\n") + 2; at < head.length - 2;) {
    if (++lines > MAX_LINES) return undefined;
    const colon = head.indexOf(":", at);
    const end = head.indexOf("\r\n", colon);
    if (LENGTHS.has(colon - at)) {
      const name = head.slice(at, colon).toLowerCase();
      if (NOT_SIMPLE.has(name)) return undefined;
      const value = head.slice(head[colon + 1] === " " ? colon + 2 : colon + 1, end);
      if (value !== value.trim()) return undefined; // parsers trim it differently
      if (name === "connection") {
        if (value.toLowerCase() !== "keep-alive") return undefined;
      } else if (READ.has(name)) {
        if (found[name] !== undefined) return undefined;
        found[name] = value;
      }
    }
    at = end + 2;
  }
  const { host, origin, "content-length": length = "0" } = found;
  if (host === undefined || !LENGTH.test(length)) return undefined;
  return {
    host,
    origin,
    bodyBytes: Number(length),
    count: lines,
    limits: {
      "x-fal-request-timeout": found["x-fal-request-timeout"],
      "x-fal-queue-priority": found["x-fal-queue-priority"],
    },
  };
}
