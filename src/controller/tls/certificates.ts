import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { writeFileAtomic } from "../../processes/atomic-file.ts";
import { platformFailure } from "../failure.ts";
import { createAuthority, issueCertificate, type KeyedCertificate } from "./issue.ts";

/** Where the certificate of a platform comes from: files, or an authority of its own. */
export type CertificateSource =
  | { readonly kind: "files"; readonly cert: string; readonly key: string }
  | { readonly kind: "own"; readonly names: readonly string[] };

/** The certificate of a platform. */
export interface PlatformCertificate extends KeyedCertificate {
  /** The file with the certificate that clients have to trust; undefined for one of a public authority. */
  readonly authorityPath: string | undefined;
}

const AUTHORITY_NAME = "Servable platform authority";
const AUTHORITY_DAYS = 3_650;
const SERVER_DAYS = 90;
/** A certificate with less time left is renewed, in milliseconds. */
const RENEW_MS = 30 * 86_400_000;

/**
 * The certificate of a platform: the content of the given files, or one of its own authority in the folder `tls`, which is
 * made when it is missing and renewed a month before it expires.
 * @throws StartupError if the files are missing or invalid
 */
export function platformCertificate(
  stateDirectory: string,
  source: CertificateSource,
  now: Date = new Date(),
): PlatformCertificate {
  if (source.kind === "files") return { ...readPair(source.cert, source.key), authorityPath: undefined };
  const folder = join(stateDirectory, "tls");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const authorityPath = join(folder, "ca.crt");
  const authority = keptPair(
    folder,
    "ca",
    () => createAuthority(AUTHORITY_NAME, now, AUTHORITY_DAYS),
    (cert) => isFresh(cert, now),
  );
  const names = [...new Set([...ownNames(), ...source.names])];
  const issuer = { ...authority, name: AUTHORITY_NAME };
  const server = keptPair(
    folder,
    "server",
    () => issueCertificate(issuer, names, now, SERVER_DAYS),
    (cert) => {
      const isOfAuthority = cert.verify(new X509Certificate(authority.cert).publicKey);
      return isFresh(cert, now) && isOfAuthority && names.every((name) => hasName(cert, name));
    },
  );
  return { ...server, authorityPath };
}

/** When a certificate expires. */
export function expiryOf({ cert }: KeyedCertificate): Date {
  return new Date(new X509Certificate(cert).validTo);
}

/** The names and addresses by which this machine can be called. */
function ownNames(): readonly string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .map(({ address }) => address.replace(/%.*$/, ""));
  return ["localhost", "127.0.0.1", "::1", hostname(), ...addresses];
}

function isFresh(cert: X509Certificate, now: Date): boolean {
  return Date.parse(cert.validTo) - now.getTime() > RENEW_MS && Date.parse(cert.validFrom) <= now.getTime();
}

function hasName(cert: X509Certificate, name: string): boolean {
  return (isIP(name) === 0 ? cert.checkHost(name) : cert.checkIP(name)) !== undefined;
}

/** The certificate and key in a folder, which are made again if they are missing or not good any more. */
function keptPair(
  folder: string,
  name: string,
  make: () => KeyedCertificate,
  isGood: (cert: X509Certificate) => boolean,
): KeyedCertificate {
  const [certPath, keyPath] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  if (existsSync(certPath) && existsSync(keyPath)) {
    const pair = readPair(certPath, keyPath);
    if (isGood(new X509Certificate(pair.cert))) return pair;
  }
  const made = make();
  writeFileAtomic(keyPath, made.key, { mode: 0o600, isFlushed: true });
  writeFileAtomic(certPath, made.cert, { mode: 0o644, isFlushed: true });
  return made;
}

function readPair(certPath: string, keyPath: string): KeyedCertificate {
  const read = (path: string): string => {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      throw platformFailure(`${path} can't be read (${(error as NodeJS.ErrnoException).code}).`, error);
    }
  };
  const pair = { cert: read(certPath), key: read(keyPath) };
  try {
    createSecureContext(pair);
    return pair;
  } catch (error) {
    throw platformFailure(
      `${certPath} and ${keyPath} are not a certificate and its key, in PEM: ${(error as Error).message}.`,
      error,
    );
  }
}
