import { fn } from "servable";

/** Renders Markdown as the site does today. */
export const renderToday = fn({ requirements: ["marked@4.3.0"] }, async (markdown: string) => {
  const { parse } = await import("marked");
  return parse(markdown);
});

/** Renders Markdown as the site would after an upgrade by fourteen major versions. */
export const renderUpgraded = fn({ requirements: ["marked@18.2.1"] }, async (markdown: string) => {
  const { parse } = await import("marked");
  return parse(markdown);
});

const pages = {
  "install.md": "# Install it\n\nNeeds Node 20.",
  "contact.md": "Write to <team@example.com>.",
  "notes.md": "Nothing *special* here.",
};

// All pages through both versions at the same time: each version runs in its own processes.
const comparisons = await Promise.all(
  Object.entries(pages).map(async ([page, markdown]) => {
    const [today, upgraded] = await Promise.all([renderToday(markdown), renderUpgraded(markdown)]);
    return { page, today: today.trim(), upgraded: upgraded.trim() };
  }),
);

for (const { page, today, upgraded } of comparisons) {
  console.log(today === upgraded ? `${page}: the same` : `${page}: differs\n  - ${today}\n  + ${upgraded}`);
}
