import { PlatformError } from "../../errors.ts";
import type { PlatformSession } from "../transport/platform-session.ts";
import type { Rest } from "../transport/rest.ts";

/** The owner of a key: a person or a team. */
export interface User {
  readonly userId: string;
  /** The owner's name in the addresses of its apps. */
  readonly nickname: string;
  /** Undefined if the control plane does not send it. */
  readonly fullName: string | undefined;
  /** Whether it is a person. Undefined if the control plane does not send it. */
  readonly isPersonal: boolean | undefined;
}

/** The owner of the session's key. @throws PlatformError */
export async function currentUser(session: PlatformSession): Promise<User> {
  return userOf(await session.rest());
}

/** The owner of the key of a REST client. @throws PlatformError */
export async function userOf(rest: Rest): Promise<User> {
  const answer = await rest.json({ method: "GET", path: "/users/current" });
  const fields: Record<string, unknown> = typeof answer === "object" && answer !== null ? { ...answer } : {};
  const { user_id: userId, nickname, full_name: fullName, is_personal: isPersonal } = fields;
  if (typeof userId !== "string" || typeof nickname !== "string") {
    throw new PlatformError("PLATFORM_REFUSED", "The control plane's answer does not say whose the key is.");
  }
  return {
    userId,
    nickname,
    fullName: typeof fullName === "string" && fullName !== "" ? fullName : undefined,
    isPersonal: typeof isPersonal === "boolean" ? isPersonal : undefined,
  };
}
