import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { cleanName } from "../../storage/clean-name.ts";
import { GatewayError } from "../gateway/gateway-error.ts";
import {
  createObject,
  createUpload,
  deleteEndedUploads,
  deleteExpiredObjects,
  deleteObject,
  findObject,
  findUpload,
  forgetContent,
  noteContent,
  objectBytes,
  openUploads,
  removableContents,
  type ObjectFacts,
  type ObjectRow,
  type UploadRow,
} from "../state/objects.ts";
import type { Database } from "../store/database.ts";
import type { ByteRange } from "../../file-headers/byte-range.ts";
import { parseType } from "./content-type.ts";
import type { Contents } from "./contents.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { ObjectQuota } from "./object-quota.ts";
import type { PartName, Spool, SpooledFile } from "./spool.ts";

/** The parts that objects need. */
export interface ObjectsParts {
  readonly database: Database;
  readonly contents: Contents;
  readonly spool: Spool;
  readonly quota: ObjectQuota;
  /** The longest life of an object, in seconds; undefined: without end. */
  readonly maxExpirySeconds: number | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The key and the environment that an object belongs to. */
export type ObjectOwner = Pick<ObjectFacts, "keyId" | "environment">;

/** A file that is to be stored, as its sender describes it. */
export interface NewObject {
  readonly name: string | undefined;
  readonly type: unknown;
  readonly lifecycle: Lifecycle;
}

/** The address of an object: an id that nobody can guess, and its name. */
export type ObjectAddress = Pick<ObjectRow, "id" | "name">;

/** Time in which an upload can be used, in milliseconds. */
const UPLOAD_MS = 24 * 60 * 60 * 1_000;
/** Time after which the content of an upload that never became an object is removed, in milliseconds. */
const LOOSE_MS = 24 * 60 * 60 * 1_000;
/** Time to store a content, in milliseconds. */
const PUT_MS = 60 * 60 * 1_000;
const DEFAULT_NAME = "file";

/** Stored files. An object is there whole, once its content is: or not at all. */
export class Objects {
  readonly #parts: ObjectsParts;
  /** Completions under way, by upload: one that is asked for again has the same result. */
  readonly #completions = new Map<string, Promise<ObjectAddress>>();

  constructor(parts: ObjectsParts) {
    this.#parts = parts;
  }

  /** Announces an upload. @throws GatewayError for an invalid type */
  async announce(owner: ObjectOwner, { name, type, lifecycle }: NewObject): Promise<UploadRow> {
    const upload = {
      id: newId(),
      objectId: newId(),
      ...owner,
      name: nameOf(name),
      type: parseType(type),
      acl: lifecycle.acl,
      expirySeconds: lifecycle.expirySeconds ?? null,
      endsAt: new Date(this.#parts.now() + UPLOAD_MS),
    };
    await createUpload(this.#parts.database, upload);
    return { ...upload, isComplete: false };
  }

  /** Stores a file in one go. @throws GatewayError */
  async store(
    owner: ObjectOwner,
    { name, type, lifecycle }: NewObject,
    content: Readable,
    declaredSize: number | undefined,
  ): Promise<ObjectAddress> {
    const facts = { ...owner, name: nameOf(name), type: parseType(type), acl: lifecycle.acl };
    if (declaredSize !== undefined) this.#parts.quota.assertSize(declaredSize);
    const file = await this.#parts.spool.receive(content, owner.environment);
    return this.#create({ ...facts, id: newId() }, lifecycle.expirySeconds, file, undefined);
  }

  /** Stores the file of an announced upload. @throws GatewayError */
  async upload(id: string, content: Readable, declaredSize: number | undefined): Promise<ObjectAddress> {
    const upload = await this.#find(id);
    if (declaredSize !== undefined) this.#parts.quota.assertSize(declaredSize);
    const file = await this.#parts.spool.receive(content, upload.environment);
    return this.#createOf(upload, file);
  }

  /** Stores a part of an announced upload. @returns its ETag, without quotes @throws GatewayError */
  async uploadPart(
    id: string,
    number: number,
    content: Readable,
    declaredSize: number | undefined,
  ): Promise<string> {
    const upload = await this.#find(id);
    if (upload.isComplete) throw usedUp();
    const { quota, spool } = this.#parts;
    if (declaredSize !== undefined) quota.assertSize(declaredSize);
    const file = await spool.receive(content, upload.environment);
    return spool.keepPart(id, number, file, upload.environment);
  }

  /** Makes an object of the parts of an upload. Asked again, it has the same result. @throws GatewayError */
  async complete(id: string, parts: readonly PartName[]): Promise<ObjectAddress> {
    const upload = await this.#find(id);
    if (upload.isComplete) return { id: upload.objectId, name: upload.name };
    const running = this.#completions.get(id);
    if (running !== undefined) return running;
    const completion = this.#join(upload, parts).finally(() => this.#completions.delete(id));
    this.#completions.set(id, completion);
    return completion;
  }

  async #join(upload: UploadRow, given: readonly PartName[]): Promise<ObjectAddress> {
    const { spool } = this.#parts;
    const { id, environment } = upload;
    const parts = given.toSorted((one, other) => one.number - other.number);
    assertComplete(parts, await spool.partsOf(id));
    const file = await spool.receive(
      Readable.from(spool.read(id, parts), { objectMode: false }),
      environment,
    );
    const address = await this.#createOf(upload, file);
    await spool.removeParts(id, environment);
    return address;
  }

  async #find(id: string): Promise<UploadRow> {
    const upload = await findUpload(this.#parts.database, id, new Date(this.#parts.now()));
    if (upload !== undefined) return upload;
    throw new GatewayError("not_found", "There is no such upload, or its time is over: announce it again.");
  }

  async #createOf(upload: UploadRow, file: SpooledFile): Promise<ObjectAddress> {
    const { id: uploadId, objectId: id, keyId, environment, name, type, acl, expirySeconds } = upload;
    return this.#create(
      { id, keyId, environment, name, type, acl },
      expirySeconds ?? undefined,
      file,
      uploadId,
    );
  }

  /** Makes an object of a file that has arrived. */
  async #create(
    facts: ObjectFacts & { readonly id: string },
    expirySeconds: number | undefined,
    file: SpooledFile,
    uploadId: string | undefined,
  ): Promise<ObjectAddress> {
    const { database, contents, spool, quota, maxExpirySeconds, now } = this.#parts;
    const { environment } = facts;
    const { size, digest } = file;
    const content = newId();
    let isStored = false;
    try {
      await noteContent(database, content, new Date(now() + LOOSE_MS));
      await contents.put(content, file, AbortSignal.timeout(PUT_MS));
      const seconds = Math.min(expirySeconds ?? Infinity, maxExpirySeconds ?? Infinity);
      const createdAt = new Date(now());
      const expiresAt = seconds === Infinity ? null : new Date(createdAt.getTime() + seconds * 1_000);
      const row = { ...facts, content, size, digest, expiresAt, createdAt };
      isStored = await createObject(database, row, uploadId);
    } finally {
      if (isStored) quota.settle(environment, size);
      else quota.giveBack(environment, size);
      await spool.remove(file);
    }
    if (!isStored) {
      await this.#removeContent(content);
      // The same content may be sent again, because the first answer was lost.
      const stored = await findObject(database, facts.id);
      if (stored?.digest.equals(digest) !== true) throw usedUp();
    }
    return { id: facts.id, name: facts.name };
  }

  /** An object; undefined if there is none, or it has expired. */
  async find(id: string): Promise<ObjectRow | undefined> {
    const object = await findObject(this.#parts.database, id);
    const isOver = object?.expiresAt != null && object.expiresAt.getTime() <= this.#parts.now();
    return isOver ? undefined : object;
  }

  /** The seconds for which an object is kept from now on; undefined: without end. */
  secondsLeft({ expiresAt }: ObjectRow): number | undefined {
    return expiresAt === null
      ? undefined
      : Math.max(0, Math.floor((expiresAt.getTime() - this.#parts.now()) / 1_000));
  }

  /** Opens the content of an object, or a part of it. @throws GatewayError if it is missing */
  async open(
    { content, size }: ObjectRow,
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): Promise<Readable> {
    const opened = await this.#parts.contents.open(content, range ?? { start: 0, length: size }, signal);
    if (opened !== undefined) return opened;
    throw new GatewayError(
      "not_found",
      "The content of this file is missing in the storage of the platform: it was not restored with it, or was removed there.",
    );
  }

  /** Removes an object. */
  async remove({ id, environment, size }: ObjectRow): Promise<void> {
    if (!(await deleteObject(this.#parts.database, id))) return;
    this.#parts.quota.free(environment, size);
    await this.#removeLoose();
  }

  /** Removes what has expired, and what uploads have left behind. Counts what is stored. */
  async tidy(): Promise<void> {
    const { database, spool, quota, now } = this.#parts;
    const at = new Date(now());
    await deleteExpiredObjects(database, at);
    await this.#removeLoose();
    await deleteEndedUploads(database, at);
    // The parts first: an upload that is announced between the two has none among them.
    const parts = await spool.sizes();
    const open = new Map((await openUploads(database, at)).map(({ id, environment }) => [id, environment]));
    const stored = new Map(await objectBytes(database));
    for (const [upload, bytes] of parts) {
      const environment = open.get(upload);
      if (environment === undefined) await spool.removeParts(upload, "");
      else stored.set(environment, (stored.get(environment) ?? 0) + bytes);
    }
    quota.reset(stored);
  }

  async #removeLoose(): Promise<void> {
    const { database, now } = this.#parts;
    for (const content of await removableContents(database, new Date(now())))
      await this.#removeContent(content);
  }

  async #removeContent(content: string): Promise<void> {
    await this.#parts.contents.remove(content);
    await forgetContent(this.#parts.database, content);
  }
}

/** 192 random bits, as text for URLs. */
function newId(): string {
  return randomBytes(24).toString("base64url");
}

function nameOf(given: string | undefined): string {
  return cleanName(given ?? "") || DEFAULT_NAME;
}

function usedUp(): GatewayError {
  return new GatewayError("gone", "This upload has stored its file already, and can't store another one.");
}

/** Compares the list of a completion with the parts that have arrived. @throws GatewayError that names the first difference */
function assertComplete(parts: readonly PartName[], arrived: readonly PartName[]): void {
  const refuse = (message: string): never => {
    throw new GatewayError("bad_request", `The upload can't be completed: ${message}.`);
  };
  if (parts.length === 0) refuse("parts is empty");
  for (const [index, { number, etag }] of parts.entries()) {
    if (number === parts[index - 1]?.number) refuse(`part ${number} is twice in parts`);
    if (number !== index + 1) refuse(`part ${index + 1} is not in parts, but part ${number} is`);
    const own = arrived.filter((each) => each.number === number);
    if (own.length === 0) refuse(`part ${number} was not uploaded`);
    if (!own.some((each) => each.etag === etag)) refuse(`part ${number} has another etag`);
  }
  const rest = arrived.find(({ number }) => number > parts.length);
  if (rest !== undefined) refuse(`part ${rest.number} was uploaded, but is not in parts`);
}
