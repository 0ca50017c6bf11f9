import { readFileSync, unwatchFile, watchFile } from "node:fs";
import type { Server } from "node:https";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { Logger } from "pino";
import { asError } from "../../answers.ts";
import { DefinitionError } from "../../errors.ts";
import type { HttpsOptions } from "../../settings/server-options.ts";

/** Interval at which the files are checked for changes, in ms. Polled, because links to folders are swapped in containers. */
const CHECK_MS = 2_000;

/** The key and the certificate of a server, read from files and again whenever these change. */
export class HttpsFiles {
  readonly #options: HttpsOptions;
  readonly #log: Logger;
  #onChange: (() => void) | undefined;

  constructor(options: HttpsOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  /**
   * Reads and checks both files.
   * @throws DefinitionError if a file is missing or invalid, or the key is of another certificate
   */
  read(): SecureContextOptions {
    const { key, certificate, passphrase } = this.#options;
    const context = {
      key: read(key, "key"),
      cert: read(certificate, "certificate"),
      ...(passphrase === undefined ? {} : { passphrase }),
    };
    try {
      createSecureContext(context);
    } catch (error) {
      const why = asError(error, "https").message;
      throw refuse(`${key} and ${certificate} are not a key in PEM and its certificate: ${why}`);
    }
    return context;
  }

  /** Keeps a server up to date while it listens. Invalid files are logged, and the last valid ones stay in use. */
  keep(server: Server): void {
    this.#onChange = () => {
      try {
        server.setSecureContext(this.read());
        this.#log.info({ certificate: this.#options.certificate }, "the certificate was read again");
      } catch (error) {
        this.#log.error(
          { err: error },
          "the changed key or certificate is not used; the last valid ones stay in use",
        );
      }
    };
    for (const path of this.#paths)
      watchFile(path, { interval: CHECK_MS, persistent: false }, this.#onChange);
  }

  /** Stops watching the files. */
  close(): void {
    if (this.#onChange === undefined) return;
    for (const path of this.#paths) unwatchFile(path, this.#onChange);
  }

  get #paths(): readonly string[] {
    return [this.#options.key, this.#options.certificate];
  }
}

function read(path: string, name: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw refuse(`the ${name} can't be read: ${asError(error, "https").message}`);
  }
}

function refuse(why: string): DefinitionError {
  return new DefinitionError("SETTING_INVALID", `https: ${why}.`);
}
