import { PlatformError } from "../../errors.ts";
import type { PlatformSession } from "../transport/platform-session.ts";
import type { Rest } from "../transport/rest.ts";

/** Whose key it is: a person, or a team. */
export interface User {
  readonly userId: string;
  /** The owner's name in the addresses of apps. */
  readonly nickname: string;
  /** Undefined when the control plane has not told. */
  readonly fullName: string | undefined;
  /** Whether it is a person. Undefined when the control plane has not told. */
  readonly isPersonal: boolean | undefined;
}

/** Whose the key is that calls are made with. @throws PlatformError */
export async function currentUser(session: PlatformSession): Promise<User> {
  return userOf(await session.rest());
}

/** Whose the key is that requests are sent with. @throws PlatformError */
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
