import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Server } from "node:https";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { Logger } from "pino";
import { asError } from "../../answers.ts";
import type { Clock } from "../../dispatch/clock.ts";
import { DefinitionError } from "../../errors.ts";
import type { HttpsOptions } from "../../settings/server-options.ts";

/** Interval at which the files are read again, in ms. */
const CHECK_MS = 2_000;

/** The meaning of OpenSSL's errors for the two files. */
const REASONS: Readonly<Record<string, string>> = {
  ERR_OSSL_X509_KEY_VALUES_MISMATCH: "the key is that of another certificate",
  ERR_OSSL_X509_KEY_TYPE_MISMATCH: "the key is that of another certificate",
  ERR_OSSL_UNSUPPORTED: "the key is not a private key in PEM",
  ERR_OSSL_PEM_NO_START_LINE: "the certificate, or the key, is not in PEM",
  ERR_OSSL_PEM_BAD_END_LINE: "one of them is not complete",
};
/** Codes of an encrypted key that can't be decrypted. OpenSSL asks for no password, and fails with an empty one. */
const LOCKED: ReadonlySet<string> = new Set([
  ...["ERR_OSSL_BAD_DECRYPT", "ERR_OSSL_EVP_BAD_DECRYPT", "ERR_OSSL_PEM_BAD_PASSWORD_READ"],
  ...["ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED", "ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH"],
]);

/** The contents of both files. */
interface Contents {
  readonly key: Buffer;
  readonly certificate: Buffer;
}

/** The key and the certificate of a server, read from files and again whenever these change. */
export class HttpsFiles {
  readonly #options: HttpsOptions;
  readonly #log: Logger;
  readonly #clock: Clock;
  /** The last contents that were read, valid or not, or the reason why they could not be read. */
  #last: Contents | string | undefined;
  #cancelCheck: (() => void) | undefined;
  #isClosed = false;

  constructor(options: HttpsOptions, log: Logger, clock: Clock) {
    this.#options = options;
    this.#log = log;
    this.#clock = clock;
  }

  /**
   * Reads and checks both files.
   * @throws DefinitionError if a file is missing or invalid, or the key is of another certificate
   */
  read(): SecureContextOptions {
    const read = (path: string, name: string): Buffer => {
      try {
        return readFileSync(path);
      } catch (error) {
        throw unreadable(name, error);
      }
    };
    const { key, certificate } = this.#options;
    const contents = { key: read(key, "key"), certificate: read(certificate, "certificate") };
    this.#last = contents;
    return this.#contextOf(contents);
  }

  /**
   * Keeps a server up to date from now on. Invalid files are logged, and the last valid ones stay in use. The files are
   * read instead of watched: in containers a link to their folder is swapped, which file events do not report.
   */
  keep(server: Server): void {
    const check = async (): Promise<void> => {
      const read = await this.#readAgain();
      if (this.#isClosed) return;
      this.#use(server, read);
      plan();
    };
    const plan = (): void => void (this.#cancelCheck = this.#clock.after(CHECK_MS, () => void check()));
    // They may have changed during setup, which may take minutes.
    void check();
  }

  /** Reads the files no more. */
  close(): void {
    this.#isClosed = true;
    this.#cancelCheck?.();
  }

  async #readAgain(): Promise<Contents | DefinitionError> {
    const read = async (path: string, name: string): Promise<Buffer> => {
      try {
        return await readFile(path);
      } catch (error) {
        throw unreadable(name, error);
      }
    };
    try {
      return {
        key: await read(this.#options.key, "key"),
        certificate: await read(this.#options.certificate, "certificate"),
      };
    } catch (error) {
      return error as DefinitionError;
    }
  }

  #use(server: Server, read: Contents | DefinitionError): void {
    const { certificate } = this.#options;
    const found = read instanceof DefinitionError ? read.message : read;
    if (isSame(found, this.#last)) return;
    this.#last = found;
    try {
      if (read instanceof DefinitionError) throw read;
      server.setSecureContext(this.#contextOf(read));
      this.#log.info({ certificate }, "the certificate was read again");
    } catch (error) {
      const message = "the changed key or certificate is not used; the last valid ones stay in use";
      this.#log.error({ err: error, certificate }, message);
    }
  }

  /** @throws DefinitionError if they are invalid. Its message holds no content. */
  #contextOf({ key: ofKey, certificate: ofCertificate }: Contents): SecureContextOptions {
    const { key, certificate, passphrase } = this.#options;
    const context = {
      key: ofKey,
      cert: ofCertificate,
      ...(passphrase === undefined ? {} : { passphrase }),
    };
    try {
      createSecureContext(context);
    } catch (error) {
      const { code = "", message } = error as NodeJS.ErrnoException;
      if (!LOCKED.has(code))
        throw refuse(`${key} and ${certificate} do not fit: ${REASONS[code] ?? message}`);
      const why =
        passphrase === undefined ? "has a password; set passphrase to it" : "has another passphrase";
      throw refuse(`the key ${key} ${why}`);
    }
    return context;
  }
}

function isSame(found: Contents | string, last: Contents | string | undefined): boolean {
  if (typeof found === "string" || typeof last !== "object") return found === last;
  return found.key.equals(last.key) && found.certificate.equals(last.certificate);
}

function unreadable(name: string, error: unknown): DefinitionError {
  return refuse(`the ${name} can't be read: ${asError(error, "https").message}`);
}

function refuse(why: string): DefinitionError {
  return new DefinitionError("SETTING_INVALID", `https: ${why}.`);
}
