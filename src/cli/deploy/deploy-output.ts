import { UsageError } from "../../errors.ts";
import type { DeploymentResult } from "../../platform/deployment/deploy.ts";
import type { AliasInfo } from "../../platform/generated/controller_pb.ts";
import { styleFor } from "../style.ts";
import type { Deployable } from "./deployable.ts";

const SHOWN_URLS = ["all", "playground", "none"] as const;
type ShownUrls = (typeof SHOWN_URLS)[number];

/** The addresses to print, by `FAL_URL_OUTPUT`. @throws UsageError */
export function readShownUrls(): ShownUrls {
  const text = process.env["FAL_URL_OUTPUT"]?.trim().toLowerCase() ?? "";
  if (text === "") return "all";
  const known = SHOWN_URLS.find((name) => name === text);
  if (known !== undefined) return known;
  throw new UsageError(`FAL_URL_OUTPUT has to be one of ${SHOWN_URLS.join(", ")}, not "${text}".`);
}

/** The result for people. */
export function asText(
  { appName, environment, revision, urls }: DeploymentResult,
  auth: string | undefined,
  shownUrls: ShownUrls,
): string {
  const { bold, green, cyan } = styleFor(process.stdout);
  const details = [auth, environment === "main" ? undefined : `in ${environment}`, `revision ${revision}`];
  const { playground, overview } = dashboardUrls(urls.playground);
  const rows = [
    ["playground", playground],
    ["endpoints", overview],
    ["synchronous", urls.run],
    ["queue", urls.queue],
    ["websocket", urls.ws],
    ["logs", urls.log],
  ].filter(([name = "", url]) => url !== "" && isShown(name, shownUrls));
  const shown = details.filter((detail) => detail !== undefined).join(", ");
  return [
    `${green("●")} Deployed ${bold(appName)} (${shown})`,
    ...rows.map(([name = "", url = ""]) => `  ${name.padEnd(12)} ${cyan(url)}`),
    "",
  ].join("\n");
}

/** The page that lists all endpoints is printed with the playground. */
function isShown(name: string, shownUrls: ShownUrls): boolean {
  if (shownUrls === "all") return true;
  return shownUrls === "playground" && (name === "playground" || name === "endpoints");
}

/** The result as JSON. */
export function asJson(
  { appName, environment, revision, urls }: DeploymentResult,
  { strategy = "rolling", attach = false }: Deployable["deployment"],
  auth: string | undefined,
  current: AliasInfo | null | undefined,
): string {
  // Unless the deployment has waited for the new runners, the old ones still serve until those are ready.
  const isRolling = strategy === "rolling" && !attach && (current?.activeRunners ?? 0) > 0;
  const status = isRolling ? "rolling_out" : "deployed";
  const result = { revision, app_name: appName, environment, status, auth: auth ?? null, urls };
  return `${JSON.stringify(result, null, 2)}\n`;
}

/** Routes that are not useful in a playground. */
const UTILITIES: ReadonlySet<string> = new Set(["cancel", "health", "object_info"]);

/**
 * The pages of fal's dashboard that a playground address of the form `…/models/OWNER/APP[/PATH]` stands for: where an
 * endpoint is tried, and where all of them are listed. For any other address, the playground is the address itself. A
 * page that does not exist is an empty string.
 */
export function dashboardUrls(url: string): { readonly playground: string; readonly overview: string } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const [, first, ...rest] = parsed?.pathname.split("/") ?? [];
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || first !== "models") {
    return { playground: url, overview: "" };
  }
  if (rest.at(-1) === "") rest.pop();
  const [owner, app] = rest;
  if (owner === undefined || app === undefined || rest.includes("")) return { playground: url, overview: "" };
  const segments = rest.map(decoded);
  const overview = `${parsed.origin}/dashboard/apps/${[owner, app].map((text) => encodeURIComponent(decoded(text))).join("/")}`;
  if (segments.length > 2 && UTILITIES.has(segments.at(-1) as string)) return { playground: "", overview };
  return {
    playground: `${overview}/testing/playground?endpoint=${encodeURIComponent(segments.join("/"))}`,
    overview,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
