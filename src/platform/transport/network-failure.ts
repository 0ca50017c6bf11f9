/** The reason why a host could not be reached. */
export interface NetworkFailure {
  /** The cause, to follow a colon. */
  readonly cause: string;
  /** Advice, as a sentence without the full stop. */
  readonly advice: string;
  /** Whether another attempt may succeed. */
  readonly isRetryable: boolean;
}

const NOT_IT = "check that host and port are those of a control plane";
const TRUST = "make the authority known to Node with NODE_EXTRA_CA_CERTS, if the host can be trusted";

const permanent = (cause: string, advice: string): NetworkFailure => ({ cause, advice, isRetryable: false });
const retryable = (cause: string, advice: string): NetworkFailure => ({ cause, advice, isRetryable: true });

/** The cause for a connection that was closed during a request. */
export const CLOSED = "it closed the connection";

/** Further advice for a plaintext connection: servers that expect TLS may close it. */
export const TLS_HINT = ", or leave out http:// if it speaks TLS";

const HUNG_UP = retryable(CLOSED, NOT_IT);
const SILENT = permanent("it does not answer", "check host and port, and firewalls on the way");
const NO_WAY = retryable("there is no route to it", "check the network connection");
const NO_TLS = permanent(
  "it does not speak TLS",
  "write http:// before the host, if it is a control plane of your own",
);
/** Stands for the error of fetch for blocked ports such as 6667, which has no code. */
const REFUSED_PORT = "refused port";
const FOREIGN = permanent("it speaks another protocol", NOT_IT);

/** The failures by the code of an error of Node or of its fetch. */
const FAILURES: Readonly<Record<string, NetworkFailure>> = {
  ENOTFOUND: permanent("the host name does not exist", "check its spelling, and the network connection"),
  EAI_AGAIN: retryable("its name could not be looked up", "check the network connection"),
  ECONNREFUSED: retryable("nothing listens there", "check host and port, and that it runs"),
  ECONNRESET: HUNG_UP,
  ECONNABORTED: HUNG_UP,
  EPIPE: HUNG_UP,
  UND_ERR_SOCKET: HUNG_UP,
  ETIMEDOUT: SILENT,
  UND_ERR_CONNECT_TIMEOUT: SILENT,
  UND_ERR_HEADERS_TIMEOUT: SILENT,
  UND_ERR_BODY_TIMEOUT: SILENT,
  EHOSTUNREACH: NO_WAY,
  ENETUNREACH: NO_WAY,
  ENETDOWN: NO_WAY,
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  EPROTO: NO_TLS,
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: permanent("it does not speak HTTP/2, as gRPC has to", NOT_IT),
  DEPTH_ZERO_SELF_SIGNED_CERT: permanent("its certificate is self-signed", TRUST),
  SELF_SIGNED_CERT_IN_CHAIN: permanent("its certificate is issued by an unknown authority", TRUST),
  UNABLE_TO_GET_ISSUER_CERT: permanent("its certificate is issued by an unknown authority", TRUST),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: permanent("its certificate is issued by an unknown authority", TRUST),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: permanent("its certificate is issued by an unknown authority", TRUST),
  CERT_HAS_EXPIRED: permanent(
    "its certificate has expired",
    "inform its operator, and check this machine's clock",
  ),
  CERT_NOT_YET_VALID: permanent("its certificate is not valid yet", "check this machine's clock"),
  ERR_TLS_CERT_ALTNAME_INVALID: permanent(
    "its certificate is for another host",
    "check the spelling of the host",
  ),
  [REFUSED_PORT]: permanent(
    "its port is reserved for another protocol, so no HTTP is sent to it",
    "check the port; your own control plane has to listen on another one",
  ),
  ERR_HTTP2_ERROR: FOREIGN,
  // The server closed the session with a reason, such as too many pings.
  ERR_HTTP2_SESSION_ERROR: HUNG_UP,
  // An assertion of fetch about a malformed response.
  ERR_ASSERTION: FOREIGN,
  ERR_CLOSED: permanent("the connection was closed on this side", "open another one"),
};

/** Finds the failure by the codes of an error and its causes; undefined for errors of another kind. */
export function networkFailure(error: unknown): NetworkFailure | undefined {
  for (const code of codesOf(error)) {
    const known = FAILURES[code];
    if (known !== undefined) return known;
    if (code.startsWith("HPE_")) return FOREIGN;
    if (/^ERR_(SSL|TLS)_/.test(code)) return permanent(`TLS failed (${code})`, NOT_IT);
  }
  return undefined;
}

/** The codes of an error, its causes, and the errors of attempts at several addresses. */
function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  const seen = new Set<unknown>();
  for (let item = error; item instanceof Error && !seen.has(item); item = item.cause) {
    seen.add(item);
    if ("code" in item && typeof item.code === "string") codes.push(item.code);
    // Since Node 24 this error has no code.
    if (item.name === "HTTPParserError") codes.push("HPE_UNKNOWN");
    if (item.message === "bad port") codes.push(REFUSED_PORT);
    if (item instanceof AggregateError) codes.push(...item.errors.flatMap(codesOf));
    // A refused stream has only this message.
    if (item.message.includes("NGHTTP2_REFUSED_STREAM")) codes.unshift("ECONNRESET");
  }
  return codes;
}
