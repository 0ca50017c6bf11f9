import { FalServerlessError } from "../../../errors.ts";
import type { Definition } from "../../state/revisions.ts";

/** Credentials for registries, by their hosts. */
export type RegistryLogins = Readonly<
  Record<string, { readonly username: string; readonly password: string }>
>;

/** The image of a deployment, as this engine reads it. */
export interface DeployedImage {
  /** A Dockerfile to build, or the name of an image to pull. */
  readonly source: { readonly dockerfile: string } | { readonly reference: string };
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Secrets of the build, by id. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly registries: RegistryLogins;
  /** The program with its first arguments, instead of the image's; a text is run by a shell. */
  readonly entrypoint: readonly string[] | undefined;
  readonly cmd: readonly string[] | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads the image of a deployment, which comes from the wire. @throws FalServerlessError that names what is wrong */
export function readImage(image: Definition["image"]): DeployedImage {
  const { dockerfile_str: dockerfile, image: reference } = image;
  return {
    source: sourceOf(dockerfile, reference),
    buildArgs: textsOf(image, "build_args"),
    secrets: textsOf(image, "secrets"),
    registries: loginsOf(image["registries"]),
    entrypoint: wordsOf(image, "entrypoint"),
    cmd: wordsOf(image, "cmd"),
  };
}

function sourceOf(dockerfile: unknown, reference: unknown): DeployedImage["source"] {
  if (typeof dockerfile === "string" && dockerfile.trim() !== "") return { dockerfile };
  // Not "-…", which would be a flag.
  if (typeof reference === "string" && /^\w\S*$/.test(reference)) return { reference };
  throw wrong("has neither a Dockerfile nor the name of an image");
}

function textsOf(image: Fields, name: string): Readonly<Record<string, string>> {
  const value = image[name] ?? {};
  if (isRecord(value) && Object.values(value).every((each) => typeof each === "string")) {
    return value as Readonly<Record<string, string>>;
  }
  throw wrong(`has ${name} that are not an object of texts`);
}

function loginsOf(value: unknown): RegistryLogins {
  const logins = value ?? {};
  const isLogin = (each: unknown): boolean =>
    isRecord(each) && typeof each["username"] === "string" && typeof each["password"] === "string";
  if (isRecord(logins) && Object.values(logins).every(isLogin)) return logins as RegistryLogins;
  throw wrong("has registries that are not an object from hosts to { username, password }");
}

function wordsOf(image: Fields, name: string): readonly string[] | undefined {
  const value = image[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === "string") return ["/bin/sh", "-c", value];
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  throw wrong(`has a ${name} that is neither a text nor a list of texts`);
}

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(what: string): FalServerlessError {
  return new FalServerlessError("BUILD_FAILED", `The image of the deployment ${what}.`);
}
