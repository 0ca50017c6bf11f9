import type { IncomingMessage } from "node:http";
import type { LiveApp } from "../scheduler/live-app.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import { aliasOf } from "../state/app-names.ts";
import type { AppAddress } from "./app-address.ts";
import type { RequestFacts } from "./forwarded-headers.ts";
import { GatewayError } from "./gateway-error.ts";
import type { Caller, KeyRing } from "./key-ring.ts";

/** The parts that decide who may call an app. */
export interface AdmissionParts {
  readonly scheduler: Scheduler;
  readonly keys: KeyRing;
  /** The first part of the addresses of all apps. */
  readonly owner: string;
}

/** An app whose caller may call it. */
export interface Admitted {
  readonly app: LiveApp;
  readonly facts: RequestFacts;
  /** The id of the caller's key; undefined for a token, and for public apps. */
  readonly keyId: string | undefined;
}

/** The query parameter that has a token, where a browser can't send a header. */
const TOKEN = "fal_jwt_token";

/** Checks who may call an app. */
export class Admission {
  readonly #parts: AdmissionParts;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /** Checks the caller of a request. @throws GatewayError */
  async admit(request: IncomingMessage, address: AppAddress, requestId: string): Promise<Admitted> {
    const app = this.#parts.scheduler.find(address.environment, address.app);
    const mode = app?.row.authMode;
    const alias = aliasOf(address);
    let callerId = "anonymous";
    let keyId: string | undefined;
    if (mode !== "public") {
      // Without a key, an unknown app gets the same answer as a private one.
      const caller = await this.callerOf(request);
      if (caller === undefined) {
        throw new GatewayError(
          "unauthorized",
          `Calling ${address.owner}/${alias} needs a valid key: "Authorization: Key ID:SECRET".`,
        );
      }
      if (!mayCall(caller, alias)) {
        throw new GatewayError("forbidden", `This key may not call ${address.owner}/${alias}.`);
      }
      callerId = this.#parts.owner;
      ({ keyId } = caller);
    }
    if (app === undefined) {
      throw new GatewayError(
        "not_found",
        `There is no app ${address.owner}/${alias}: deploy it with "servable deploy".`,
      );
    }
    const endpoint = `${address.owner}/${alias}${address.endpoint === "/" ? "" : address.endpoint}`;
    return { app, facts: { requestId, endpoint, callerId, hasOwnCredentials: mode !== "public" }, keyId };
  }

  /** The caller by key or token; undefined for a missing or invalid one. */
  callerOf(request: IncomingMessage): Promise<Caller | undefined> {
    const token = tokenIn(request.url ?? "");
    return token === undefined
      ? this.#parts.keys.callerOf(request.headers.authorization)
      : this.#parts.keys.callerWithToken(token);
  }
}

function mayCall({ permissions, apps }: Caller, alias: string): boolean {
  return (
    permissions.some((name) => name === "models:requests:submit" || name === "serverless:apps:run") &&
    (apps === undefined || apps.includes(alias))
  );
}

function tokenIn(url: string): string | undefined {
  const query = url.indexOf("?");
  if (query < 0) return undefined;
  return new URLSearchParams(url.slice(query)).get(TOKEN) ?? undefined;
}

/** The path without some parameters, by default the token, which the app must not see or log. */
export function withoutParameters(path: string, names: readonly string[] = [TOKEN]): string {
  const query = path.indexOf("?");
  if (query < 0 || !names.some((name) => path.includes(name))) return path;
  const parameters = path
    .slice(query + 1)
    .split("&")
    .filter((parameter) => !names.includes(parameter.split("=", 1)[0] as string));
  return path.slice(0, query) + (parameters.length > 0 ? `?${parameters.join("&")}` : "");
}
