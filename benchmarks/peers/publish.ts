import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../lib/staged-package.ts";

const PAGE = join(ROOT, "docs/performance.md");
/** The folder of the plots, beside the page. */
const PLOTS = "performance";
const HEADING = "\n## Results\n";

/** Writes a report into the documentation, in place of the last one. @param files as `reportFiles()` returns them */
export async function publish(files: ReadonlyMap<string, string>): Promise<void> {
  const folder = join(PAGE, "..", PLOTS);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  for (const [name, text] of files) if (name.endsWith(".svg")) await writeFile(join(folder, name), text);
  await writeFile(PAGE, withReport(await readFile(PAGE, "utf8"), files.get("report.md") ?? ""));
}

/** The page with a report as its last section. @throws Error if the page has no section for it */
export function withReport(page: string, report: string): string {
  const start = page.indexOf(HEADING);
  if (start === -1) throw new Error(`${PAGE} has no section "Results".`);
  const own = report
    .replace(/^# .*\n+/, "")
    .replaceAll(/^## /gm, "### ")
    .replaceAll(/\]\(([\w-]+\.svg)\)/g, `](${PLOTS}/$1)`);
  const origin = "One run of `npm run bench:peers -- --publish`, which writes this section:";
  return `${page.slice(0, start)}${HEADING}\n${origin}\n\n${own}`;
}
