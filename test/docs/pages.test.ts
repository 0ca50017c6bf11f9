import { testPages } from "./document.ts";
import { pages } from "./markdown.ts";

testPages(pages().filter((page) => page === "README.md" || page.startsWith("docs/")));
