import { didYouMean } from "../did-you-mean.ts";
import { isRecord, misfit, Misfit, text, textMatching, wholeNumber, type Check } from "./check.ts";

/** Files of answers are data URIs in the answer itself. */
export interface DataStorageSetting {
  readonly kind: "data";
}

/** Files of answers are stored in a folder, and the server sends them. */
export interface LocalStorageSetting {
  readonly kind: "local";
  /** Default: a folder of the app in the system's folder for temporary files. */
  readonly folder?: string | undefined;
  /** Time that a file is kept, in seconds. Default 3,600. */
  readonly expirySeconds?: number | undefined;
  /** The address under which callers reach the server. Default: the one that they called. */
  readonly publicUrl?: string | undefined;
}

/** Files of answers are stored in a bucket of S3, or of a store with the same interface. */
export interface S3StorageSetting {
  readonly kind: "s3";
  /** Default: the variable `SERVABLE_S3_BUCKET`. */
  readonly bucket?: string | undefined;
  /** Default: the variables `AWS_REGION` and `AWS_DEFAULT_REGION`, otherwise "us-east-1". */
  readonly region?: string | undefined;
  /** The address of a store other than Amazon's. Default: the variables `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL`. */
  readonly endpoint?: string | undefined;
  /** The beginning of each key. Default: none. */
  readonly prefix?: string | undefined;
  /** The address under which callers find the keys of a public bucket. Default: URLs are signed. */
  readonly publicUrl?: string | undefined;
  /** Time that a signed URL is valid, in seconds. Default 3,600. */
  readonly expirySeconds?: number | undefined;
}

/** Files of answers are stored on fal's CDN. */
export interface FalStorageSetting {
  readonly kind: "fal";
  /** Time that a file is kept, in seconds. The caller's preference replaces it. Default: fal's. */
  readonly expirySeconds?: number | undefined;
}

/** A storage with its options. */
export type StorageOptions = DataStorageSetting | LocalStorageSetting | S3StorageSetting | FalStorageSetting;

/** Where the files of answers are stored: the name of a storage, or an object with its options. */
export type StorageSetting = StorageOptions["kind"] | StorageOptions;

const KINDS = ["data", "local", "s3", "fal"] as const satisfies readonly StorageOptions["kind"][];

const url = textMatching(/^https?:\/\/[^\s?#]+$/i, 'an address such as "https://files.example.com"');
const expirySeconds = wholeNumber(1, 604_800);
const FIELDS: Readonly<Record<StorageOptions["kind"], Readonly<Record<string, Check>>>> = {
  data: {},
  local: { folder: text("/var/lib/app"), expirySeconds: wholeNumber(1), publicUrl: url },
  s3: {
    bucket: textMatching(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'the name of a bucket, such as "pictures"'),
    region: textMatching(/^[A-Za-z0-9-]+$/, 'a region, such as "us-east-1"'),
    endpoint: url,
    prefix: textMatching(/^(?!\/)[^\s?#]+$/, 'the beginning of a key, such as "out/"'),
    publicUrl: url,
    expirySeconds,
  },
  fal: { expirySeconds: wholeNumber(1) },
};

const EXPECTED = `${KINDS.map((kind) => `"${kind}"`).join(", ")}, or an object such as { kind: "local", expirySeconds: 600 }`;

/** Checks the setting `storage`. */
export const storage: Check<StorageSetting> = (value) => {
  if (typeof value === "string") return isKind(value) ? value : misfit(EXPECTED, value);
  if (!isRecord(value)) return misfit(EXPECTED, value);
  const { kind, ...options } = value;
  if (!isKind(kind)) return misfit(KINDS.map((each) => `"${each}"`).join(" or "), kind).within(".kind");
  const fields = FIELDS[kind];
  for (const [name, given] of Object.entries(options)) {
    const check = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (check === undefined) {
      const known = ["kind", ...Object.keys(fields)];
      return new Misfit(`made of ${known.join(", ")}`, `${JSON.stringify(name)}${didYouMean(name, known)}`);
    }
    const result = given === undefined ? undefined : check(given);
    if (result instanceof Misfit) return result.within(`.${name}`);
  }
  return Object.freeze({ ...value }) as unknown as StorageSetting; // each field passed its check
};

function isKind(value: unknown): value is StorageOptions["kind"] {
  return (KINDS as readonly unknown[]).includes(value);
}
