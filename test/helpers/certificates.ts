import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createFolder } from "./folders.ts";

/** Why tests with certificates are skipped; false if they are not. */
export const withoutOpenssl: string | false =
  spawnSync("openssl", ["version"]).status === 0 ? false : "the program openssl is not installed";

/** A key and its self-signed certificate, for `localhost` and 127.0.0.1. */
export interface Certificate {
  /** The file of the key. */
  readonly key: string;
  /** The file of the certificate. */
  readonly certificate: string;
  /** The content of the certificate. */
  readonly pem: string;
}

/**
 * Makes a certificate in a folder of its own, which is removed after the test or the file that calls this. Its texts are
 * empty without openssl, where tests are skipped.
 * @param name its common name
 */
export function createCertificate(name = "localhost"): Certificate {
  if (withoutOpenssl !== false) return { key: "", certificate: "", pem: "" };
  const folder = createFolder();
  const key = join(folder, "key.pem");
  const certificate = join(folder, "cert.pem");
  execFileSync(
    "openssl",
    [
      ...[
        "req",
        "-x509",
        "-nodes",
        "-days",
        "2",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
      ],
      ...["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
      ...["-keyout", key, "-out", certificate],
    ],
    { stdio: "ignore" },
  );
  return { key, certificate, pem: readFileSync(certificate, "utf8") };
}

/** Writes a key again, with a password. Returns the new file. */
export function encryptKey(key: string, passphrase: string): string {
  const encrypted = `${key}.encrypted`;
  execFileSync("openssl", [
    ...["pkcs8", "-topk8", "-in", key, "-out", encrypted, "-passout", `pass:${passphrase}`],
  ]);
  return encrypted;
}
