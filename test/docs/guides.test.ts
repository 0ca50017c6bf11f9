import { testPage } from "./document.ts";
import { pages } from "./markdown.ts";

for (const page of pages()) {
  if (page.startsWith("docs/")) testPage(page);
}
