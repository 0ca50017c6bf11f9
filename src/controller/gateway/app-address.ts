import { parseAlias } from "../state/app-names.ts";

/** The app that a path leads to. */
export interface AppAddress {
  readonly owner: string;
  readonly app: string;
  readonly environment: string;
  /** The rest of the path, for the app, with the query: `/` or `/stream?x=1`. */
  readonly path: string;
  /** The same without the query. */
  readonly endpoint: string;
}

/** Letters, digits, dashes, underscores and dots, as names of apps have them. Nothing is decoded: an encoded name is invalid. */
const ADDRESS = /^\/([\w.-]{1,100})\/([\w.-]{1,200})(\/[^?]*)?(\?.*)?$/;

/** Reads `/OWNER/APP[--ENVIRONMENT][/PATH][?QUERY]`; undefined for anything else. */
export function parseAppAddress(url: string): AppAddress | undefined {
  const [, owner, alias, path = "/", query = ""] = ADDRESS.exec(url) ?? [];
  if (owner === undefined || alias === undefined || isDots(owner) || isDots(alias)) return undefined;
  return { owner, ...parseAlias(alias), path: path + query, endpoint: path };
}

function isDots(text: string): boolean {
  return /^\.+$/.test(text);
}
