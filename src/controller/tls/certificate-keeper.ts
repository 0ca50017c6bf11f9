import type { Logger } from "pino";
import {
  expiryOf,
  platformCertificate,
  type CertificateSource,
  type PlatformCertificate,
} from "./certificates.ts";

/** How often files are read again, and the own certificate is looked at, in milliseconds. */
const CHECK_MS = 60_000;
/** Time before the end of a given certificate from which the log warns, in milliseconds. */
const WARN_MS = 14 * 86_400_000;

/** The certificate of a running platform, which is replaced before it expires, or when its files change. */
export class CertificateKeeper {
  readonly #stateDirectory: string;
  readonly #source: CertificateSource;
  readonly #log: Logger;
  #current: PlatformCertificate;
  #timer: NodeJS.Timeout | undefined;
  #warnedDay = 0;

  /** @throws StartupError if there is no valid certificate */
  constructor(stateDirectory: string, source: CertificateSource, log: Logger) {
    this.#stateDirectory = stateDirectory;
    this.#source = source;
    this.#log = log;
    this.#current = platformCertificate(stateDirectory, source);
  }

  get current(): PlatformCertificate {
    return this.#current;
  }

  /** Looks at the certificate from time to time. */
  keepFresh(onRenewed: (certificate: PlatformCertificate) => void): void {
    this.#timer = setInterval(() => this.check(onRenewed), CHECK_MS).unref();
  }

  /** Looks at the certificate now. One that can't be used is logged, and the former one stays. */
  check(onRenewed: (certificate: PlatformCertificate) => void, now: Date = new Date()): void {
    try {
      const next = platformCertificate(this.#stateDirectory, this.#source, now);
      if (next.cert !== this.#current.cert || next.key !== this.#current.key) {
        this.#current = next;
        onRenewed(next);
        this.#log.info({ expires: expiryOf(next) }, "the certificate was renewed");
      }
    } catch (error) {
      this.#log.error(
        { error: (error as Error).message },
        "the certificate can't be read; the former one is used",
      );
    }
    this.#warn(now);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Warns once a day of a certificate that expires soon. */
  #warn(now: Date): void {
    const expires = expiryOf(this.#current);
    const day = Math.floor(now.getTime() / 86_400_000);
    if (expires.getTime() - now.getTime() > WARN_MS || day === this.#warnedDay) return;
    this.#warnedDay = day;
    this.#log.warn({ expires }, "the certificate expires soon: replace its files");
  }
}
