import { assertPortFree } from "../../server/connections/listen.ts";
import type { Finding } from "./finding.ts";

/** The oldest Node that can run an app: major and minor. */
const OLDEST = [20, 19] as const;

/** Whether this Node is new enough. */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isEnough = major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
  return isEnough
    ? { name: "Node", status: "ok", message: version }
    : { name: "Node", status: "failed", message: version, advice: `install ${OLDEST.join(".")} or later` };
}

/** Whether a port can be had now: the one in the environment, else the usual one. */
export async function checkPort(name: string, variable: string, usual: number): Promise<Finding> {
  const text = process.env[variable] || String(usual);
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    const advice = `set ${variable} to a number from 0 to 65535`;
    return { name, status: "failed", message: `${variable}="${text}" is no port`, advice };
  }
  try {
    await assertPortFree(process.env["HOST"] ?? "127.0.0.1", port);
    return { name, status: "ok", message: `${port} is free` };
  } catch (error) {
    const flag = variable === "PORT" ? "--port" : "--metrics-port";
    const why = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
    const message =
      why === "EADDRINUSE" ? `${port} is in use` : `${port} can't be opened: ${why ?? String(error)}`;
    return {
      name,
      status: "failed",
      message,
      advice: `stop what listens there, or run with ${flag} or ${variable}`,
    };
  }
}
