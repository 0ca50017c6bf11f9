/** Routes that have no use for a playground. */
const UTILITIES: ReadonlySet<string> = new Set(["cancel", "health", "object_info"]);

/**
 * The pages of fal's dashboard that a playground address of the form `…/models/OWNER/APP[/PATH]` stands for: where an
 * endpoint is tried, and where all of them are listed. Any other address is the playground itself. Empty texts stand for none.
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
