import { PlatformError } from "../../errors.ts";
import type { Endpoint } from "../../platform/target/endpoints.ts";

/**
 * Checks an address that a control plane tells of an app. The key goes to whoever is named there, and must not go where
 * it can be read on the way, unless it went so before.
 * @throws PlatformError when no key is sent there
 */
export function checkAppAddress(url: string, { host, isPlaintext }: Endpoint): void {
  const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  if (isHttp && (new URL(url).protocol === "https:" || isPlaintext)) return;
  throw new PlatformError(
    "PLATFORM_REFUSED",
    `The control plane at ${host} tells an address of the function that no key is sent to: ` +
      `${isHttp ? new URL(url).origin : "it is no http(s) address"}.`,
  );
}
