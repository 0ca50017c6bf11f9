import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from "node:crypto";
import { isIP } from "node:net";
import * as der from "./der.ts";

/** A certificate and its private key, in PEM. */
export interface KeyedCertificate {
  readonly cert: string;
  readonly key: string;
}

/** The signer of a certificate. */
export interface Issuer extends KeyedCertificate {
  readonly name: string;
}

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";
const SUBJECT_KEY_ID = "2.5.29.14";
const KEY_USAGE = "2.5.29.15";
const SUBJECT_ALT_NAME = "2.5.29.17";
const BASIC_CONSTRAINTS = "2.5.29.19";
const AUTHORITY_KEY_ID = "2.5.29.35";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
/** digitalSignature; keyCertSign and cRLSign. */
const MAY_SIGN_DATA = der.bits(Buffer.from([0x80]), 7);
const MAY_SIGN_CERTIFICATES = der.bits(Buffer.from([0x06]), 1);
/** Clocks of clients may be behind, in milliseconds. */
const TOLERANCE_MS = 60 * 60 * 1_000;

/** Makes an authority: a certificate that signs itself, and may sign those of servers. */
export function createAuthority(name: string, now: Date, days: number): KeyedCertificate {
  const { privateKey, publicKey } = newKey();
  const extensions = [
    extension(BASIC_CONSTRAINTS, der.sequence(der.boolean(true), der.integer(Buffer.from([0]))), true),
    extension(KEY_USAGE, MAY_SIGN_CERTIFICATES, true),
    extension(SUBJECT_KEY_ID, der.octets(keyId(publicKey))),
  ];
  return certificate({
    subject: name,
    issuer: name,
    publicKey,
    privateKey,
    signer: privateKey,
    now,
    days,
    extensions,
  });
}

/** Makes the certificate of a server. @param names names and addresses that clients may call it by */
export function issueCertificate(
  issuer: Issuer,
  names: readonly string[],
  now: Date,
  days: number,
): KeyedCertificate {
  const { privateKey, publicKey } = newKey();
  const alternatives = names.map((name) =>
    isIP(name) === 0 ? der.implicit(2, Buffer.from(name)) : der.implicit(7, addressBytes(name)),
  );
  const issuerKeyId = keyId(createPublicKey(issuer.cert));
  const extensions = [
    extension(BASIC_CONSTRAINTS, der.sequence(), true),
    extension(KEY_USAGE, MAY_SIGN_DATA, true),
    extension(EXTENDED_KEY_USAGE, der.sequence(der.objectId(SERVER_AUTH))),
    extension(SUBJECT_ALT_NAME, der.sequence(...alternatives)),
    extension(SUBJECT_KEY_ID, der.octets(keyId(publicKey))),
    extension(AUTHORITY_KEY_ID, der.sequence(der.implicit(0, issuerKeyId))),
  ];
  const signer = createPrivateKey(issuer.key);
  const [subject = "localhost"] = names;
  return certificate({ subject, issuer: issuer.name, publicKey, privateKey, signer, now, days, extensions });
}

interface CertificateContent {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  readonly signer: KeyObject;
  readonly now: Date;
  readonly days: number;
  readonly extensions: readonly Buffer[];
}

/** X.509, version 3: RFC 5280. */
function certificate(content: CertificateContent): KeyedCertificate {
  const { subject, issuer, publicKey, privateKey, signer, now, days, extensions } = content;
  const algorithm = der.sequence(der.objectId(ECDSA_WITH_SHA256));
  const end = new Date(now.getTime() + days * 86_400_000);
  const body = der.sequence(
    der.explicit(0, der.integer(Buffer.from([2]))),
    der.integer(randomBytes(16)),
    algorithm,
    nameOf(issuer),
    der.sequence(der.time(new Date(now.getTime() - TOLERANCE_MS)), der.time(end)),
    nameOf(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der.explicit(3, der.sequence(...extensions)),
  );
  const whole = der.sequence(body, algorithm, der.bits(sign("sha256", body, signer)));
  const lines = whole.toString("base64").replaceAll(/.{64}/g, "$&\n").trimEnd();
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}

function newKey(): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function nameOf(text: string): Buffer {
  return der.sequence(der.set(der.sequence(der.objectId(COMMON_NAME), der.utf8(text))));
}

function extension(id: string, content: Buffer, isCritical = false): Buffer {
  return der.sequence(der.objectId(id), ...(isCritical ? [der.boolean(true)] : []), der.octets(content));
}

/** A number for a key, which links a certificate to its issuer. */
function keyId(publicKey: KeyObject): Buffer {
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest()
    .subarray(0, 20);
}

/** The bytes of an IP address. */
function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const [left = "", right] = address.replace(/%.*$/, "").split("::");
  const groups = (text: string): number[] =>
    text === ""
      ? []
      : text.split(":").flatMap((group) => {
          if (!group.includes(".")) return [Number.parseInt(group, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
          return [(a << 8) | b, (c << 8) | d];
        });
  const [before, after] = [groups(left), groups(right ?? "")];
  const zeros = right === undefined ? 0 : 8 - before.length - after.length;
  const all = [...before, ...Array.from({ length: zeros }, () => 0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
