import { mkdir, readFile, realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { FalServerlessError, UsageError } from "../../errors.ts";
import { didYouMean } from "../../did-you-mean.ts";
import { writeFileAtomic } from "../../processes/atomic-file.ts";
import { parseKey } from "./credentials.ts";
import { resolveEndpoints } from "./endpoints.ts";
import { Secret } from "./secret.ts";
import type * as tomlEdit from "./toml-edit.ts";
import type { SettingValue, TomlData } from "./toml-edit.ts";

/** A key and a host under a name. */
export interface Profile {
  readonly name: string;
  /** The whole key, `id:secret`. */
  readonly key: Secret | undefined;
  readonly host: string | undefined;
  /** The path of a file with the authority that signs the host's certificate, in PEM; absent: the ones that Node trusts. */
  readonly authorityFile?: string | undefined;
}

/** A profile as {@link ConfigFile.keep} writes it. */
export interface KeptProfile {
  readonly name: string;
  /** The whole key, `id:secret`. */
  readonly key: Secret;
  /** Undefined keeps the stored host. */
  readonly host: string | undefined;
  /** The path of a file with the authority that signs the host's certificate. Default: none; a stored one is removed. */
  readonly authorityFile?: string | undefined;
  /** Whether to select the profile as well. */
  readonly isSelected: boolean;
}

/** The table that stores the selected profile. No profile can have this name. */
const INTERNAL = "__internal__";

/** The path of the config file: `FAL_CONFIG_PATH`, else `~/.fal/config.toml`. */
export function configPath(environment: NodeJS.ProcessEnv = process.env): string {
  const given = environment["FAL_CONFIG_PATH"];
  if (given === undefined || given.trim() === "") return join(homedir(), ".fal", "config.toml");
  return given.startsWith("~/") ? join(homedir(), given.slice(2)) : given;
}

/**
 * The config file, as it was read: TOML with a table for each profile, the name of the selected one under `[__internal__]`, and
 * settings of the command line at the root. It is shared with fal's own command line.
 *
 * Each change is written immediately and atomically, to a file that only its owner can read. Unknown settings are kept.
 */
export class ConfigFile {
  readonly path: string;
  readonly #toml: Toml;
  #data: TomlData;

  private constructor(path: string, toml: Toml, text: string) {
    this.path = path;
    this.#toml = toml;
    this.#data = parsed(path, toml, text);
  }

  /**
   * Reads the file. A missing file is read as empty.
   *
   * @throws FalServerlessError `CONFIG_INVALID` if it cannot be read or is not valid TOML. The message has the number of the
   * line, but none of the file's content.
   */
  static async read(path: string = configPath()): Promise<ConfigFile> {
    // Loaded on first use, because most users have no config file.
    const toml = await import("./toml-edit.ts");
    return new ConfigFile(path, toml, await textOf(path));
  }

  /** The profiles, in the order of the file. */
  profiles(): Profile[] {
    return Object.keys(this.#data)
      .filter((name) => name !== INTERNAL && isTable(this.#data[name]))
      .map((name) => this.profile(name));
  }

  /**
   * A profile by its name.
   *
   * @throws UsageError if there is none, with the most similar name
   */
  profile(name: string): Profile {
    const table = this.#table(name);
    if (name === INTERNAL || table === undefined) {
      const names = Object.keys(this.#data).filter((key) => key !== INTERNAL && isTable(this.#data[key]));
      throw new UsageError(`There is no profile "${name}"${didYouMean(name, names)}`.replace(/[^?]$/, "$&."));
    }
    const key = this.#textAt(table, "key", name);
    return {
      name,
      key: key === undefined ? undefined : new Secret(key),
      host: this.#textAt(table, "host", name),
      authorityFile: this.#textAt(table, "ca_file", name),
    };
  }

  /** The selected name, even if that profile does not exist. */
  selectedName(): string | undefined {
    const internal = this.#table(INTERNAL);
    return internal === undefined ? undefined : this.#textAt(internal, "profile", INTERNAL);
  }

  /** The team that fal's own command line has selected in the file. */
  selectedTeam(): string | undefined {
    const internal = this.#table(INTERNAL);
    return internal === undefined ? undefined : this.#textAt(internal, "team", INTERNAL);
  }

  /** The selected profile; undefined if none is selected or it no longer exists. */
  selected(): Profile | undefined {
    const name = this.selectedName();
    return name === undefined || name === INTERNAL || this.#table(name) === undefined
      ? undefined
      : this.profile(name);
  }

  /** Returns a setting at the file's root. */
  setting(name: string): SettingValue | undefined {
    const value = Object.hasOwn(this.#data, name) ? this.#data[name] : undefined;
    return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
      ? value
      : undefined;
  }

  /** Sets a setting at the file's root; undefined deletes it. */
  async setSetting(name: string, value: SettingValue | undefined): Promise<void> {
    await this.#change((text) => this.#toml.setKey(text, undefined, name, value));
  }

  /** Selects a profile; undefined selects none. */
  async select(name: string | undefined): Promise<void> {
    if (name !== undefined) this.profile(name);
    await this.#change((text) => this.#toml.setKey(text, INTERNAL, "profile", name));
  }

  /**
   * Whether there is a profile of this name.
   *
   * @throws UsageError for a name that no profile can have.
   */
  has(name: string): boolean {
    if (name === INTERNAL || name.trim() !== name || !/^[^\p{C}]+$/u.test(name)) {
      throw new UsageError("The name of the profile is invalid: use letters, digits and dashes.");
    }
    if (this.#table(name) !== undefined) return true;
    if (Object.hasOwn(this.#data, name)) throw new UsageError(`There is a setting "${name}" already.`);
    return false;
  }

  /** Adds a profile without key and host. */
  async create(name: string): Promise<void> {
    if (this.has(name)) throw new UsageError(`There is a profile "${name}" already.`);
    await this.#change((text) => this.#toml.addTable(text, name));
  }

  /** Stores a key, and a host if given, in a profile. Creates the profile if it is missing. */
  async keep({ name, key, host, authorityFile, isSelected }: KeptProfile): Promise<void> {
    this.has(name);
    await this.#change((text) => {
      const { setKey } = this.#toml;
      let changed = host === undefined ? text : setKey(text, name, "host", host.trim());
      changed = setKey(changed, name, "key", key.reveal().trim());
      if (host !== undefined) changed = setKey(changed, name, "ca_file", authorityFile);
      return isSelected ? setKey(changed, INTERNAL, "profile", name) : changed;
    });
  }

  /** Deletes a profile. If it was selected, no profile is selected afterwards. */
  async delete(name: string): Promise<void> {
    this.profile(name);
    const isSelected = this.selected()?.name === name;
    await this.#change((text) => {
      const rest = this.#toml.deleteTable(text, name);
      return isSelected ? this.#toml.setKey(rest, INTERNAL, "profile", undefined) : rest;
    });
  }

  /** Sets a profile's key, `id:secret`; undefined deletes it. */
  async setKey(name: string, key: string | undefined): Promise<void> {
    this.profile(name);
    if (key !== undefined) parseKey(key, "standard input");
    await this.#change((text) => this.#toml.setKey(text, name, "key", key?.trim()));
  }

  /** Sets a profile's host; undefined deletes it. */
  async setHost(name: string, host: string | undefined): Promise<void> {
    this.profile(name);
    if (host !== undefined) resolveEndpoints({ host, environment: {} });
    await this.#change((text) => this.#toml.setKey(text, name, "host", host?.trim()));
  }

  /** Reads the file again and edits it, because it may have changed since it was read. */
  async #change(edit: (text: string) => string): Promise<void> {
    const now = await textOf(this.path);
    parsed(this.path, this.#toml, now);
    const text = edit(now);
    await writeWhole(this.path, text);
    this.#data = parsed(this.path, this.#toml, text);
  }

  #table(name: string): TomlData | undefined {
    const value = Object.hasOwn(this.#data, name) ? this.#data[name] : undefined;
    return isTable(value) ? value : undefined;
  }

  #textAt(table: TomlData, key: string, name: string): string | undefined {
    const value = Object.hasOwn(table, key) ? table[key] : undefined;
    if (value === undefined || (typeof value === "string" && value.trim() === "")) return undefined;
    if (typeof value === "string") return value;
    throw new FalServerlessError("CONFIG_INVALID", `In ${this.path}, ${key} of [${name}] is not a string.`);
  }
}

type Toml = typeof tomlEdit;

function isTable(value: unknown): value is TomlData {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function parsed(path: string, toml: Toml, text: string): TomlData {
  try {
    return toml.parseToml(text);
  } catch (error) {
    // The parser's message is omitted: it quotes lines of the file, which may contain keys.
    const line = error instanceof Error && "line" in error ? `, line ${String(error.line)}` : "";
    throw new FalServerlessError(
      "CONFIG_INVALID",
      `${path}${line}: invalid TOML. Fix it, or delete the file.`,
    );
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return "";
    throw new FalServerlessError("CONFIG_INVALID", `${path} cannot be read (${codeOf(error)}).`, {
      cause: error,
    });
  }
}

/** Replaces the file atomically. If the path is a link, its target is replaced. */
async function writeWhole(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const target = await realpath(path).catch(() => path);
    writeFileAtomic(target, text, { mode: 0o600, isFlushed: true });
  } catch (error) {
    throw new FalServerlessError("CONFIG_INVALID", `${path} cannot be written (${codeOf(error)}).`, {
      cause: error,
    });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
