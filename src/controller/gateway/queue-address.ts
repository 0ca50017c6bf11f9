import type { IncomingMessage } from "node:http";
import { aliasOf } from "../state/app-names.ts";
import { parseAppAddress, type AppAddress } from "./app-address.ts";

/** The operation of a request to the queue. */
type QueueAction = "submit" | "status" | "stream" | "result" | "cancel";

/** A request to the queue of an app. */
export interface QueueAddress {
  readonly address: AppAddress;
  readonly action: QueueAction;
  /** The id of the request; "" for a submission. */
  readonly id: string;
  /** The beginning of the addresses of this queue, as the caller reaches it. */
  readonly base: string;
}

const PREFIX = "/queue";
const REQUEST = /^(?:\/.*)?\/requests\/([^/]+)(?:\/(status|status\/stream|cancel))?\/?$/;

/**
 * Reads the address of a request to a queue: `/queue/OWNER/APP…`, or `/OWNER/APP…` at a host whose name begins with `queue.`.
 * Undefined for anything else.
 */
export function parseQueueAddress(request: IncomingMessage): QueueAddress | undefined {
  const { url = "", headers, method = "GET" } = request;
  const forwarded = headers["x-forwarded-host"];
  const host = (typeof forwarded === "string" ? forwarded.split(",", 1)[0] : headers.host)?.trim() ?? "";
  const isPrefixed = url.startsWith(`${PREFIX}/`);
  if (!isPrefixed && !/^queue\./i.test(host)) return undefined;
  const address = parseAppAddress(isPrefixed ? url.slice(PREFIX.length) : url);
  if (address === undefined) return undefined;
  const proto = headers["x-forwarded-proto"];
  const scheme =
    typeof proto === "string" && /^https?/.test(proto)
      ? (proto.split(",", 1)[0] as string).trim()
      : "encrypted" in request.socket
        ? "https"
        : "http";
  const base = `${scheme}://${host}${isPrefixed ? PREFIX : ""}/${address.owner}/${aliasOf(address)}`;
  const [, id, rest] = REQUEST.exec(address.endpoint) ?? [];
  if (id === undefined || (method === "POST" && rest !== "cancel")) {
    return { address, action: "submit", id: "", base };
  }
  const action = rest === undefined ? "result" : rest === "status/stream" ? "stream" : (rest as QueueAction);
  return { address, action, id, base };
}
