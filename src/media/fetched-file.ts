import type { HostResolver } from "../network/host-names.ts";
import type { AddressCheck } from "../network/public-address.ts";

/** A file whose download has begun. Read `body` to its end, or call `cancel()`. */
export interface FetchedFile {
  /** The URL after redirects. */
  readonly url: string;
  /** A status from 200 to 299. */
  readonly status: number;
  /** As the server says, which may be wrong. */
  readonly contentType: string | undefined;
  /** The size in bytes if the server says it; undefined for an encoded answer. */
  readonly contentLength: number | undefined;
  /** From the Content-Disposition header or the URL: a name without folders, safe in any folder. */
  readonly fileName: string | undefined;
  /** The headers of the answer, by lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** The content without its encoding. It can be read once. Throws {@link FetchError}, or the signal's reason. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the download and closes the connection. */
  cancel(): void;
}

/** Parts of a fetch that tests replace. */
export interface FetchParts {
  /** Resolves the names of hosts that are not among `allowedHosts`. */
  readonly resolve?: HostResolver;
  /** Whether an address may be connected to. Default: whether it is public. */
  readonly isAllowed?: AddressCheck;
  /** Certificates of authorities to trust instead of the usual ones. */
  readonly ca?: string;
}
