// Draws the rooms of src and the imports between them, as Mermaid, between the markers in CONTRIBUTING.md.
// Usage: node scripts/house-diagram.mjs [--check]
// With --check it writes nothing, and fails if the diagram in CONTRIBUTING.md is out of date.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = join(ROOT, "src");
const PAGE = join(ROOT, "CONTRIBUTING.md");
const MARKERS = ["<!-- house-diagram: node scripts/house-diagram.mjs -->", "<!-- /house-diagram -->"];
const IMPORT = /(?:from|import|import\()\s*"(\.[^"]+)"/g;

/** The room of a file: its folder in src, or in src/controller; or the file itself if it is directly in src. */
function roomOf(path) {
  const [first, second] = relative(SOURCES, path).split(sep);
  return first === "controller" ? `${first}/${second}` : first;
}

/** Each room with the rooms it imports, types included. */
function importsOfRooms() {
  const rooms = new Map();
  for (const name of readdirSync(SOURCES, { recursive: true }).filter((each) => each.endsWith(".ts"))) {
    const path = join(SOURCES, name);
    const imported = rooms.get(roomOf(path)) ?? new Set();
    rooms.set(roomOf(path), imported);
    const text = readFileSync(path, "utf8").replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
    for (const [, target] of text.matchAll(IMPORT)) {
      const room = roomOf(resolve(dirname(path), target));
      if (room !== roomOf(path) && !target.includes("${")) imported.add(room);
    }
  }
  return rooms;
}

/** The floor of a room: one above the highest room it imports; 0 if it imports none. */
function floorOf(room, rooms) {
  return Math.max(-1, ...[...rooms.get(room)].map((below) => floorOf(below, rooms))) + 1;
}

function reaches(from, to, rooms) {
  return [...rooms.get(from)].some((next) => next === to || reaches(next, to, rooms));
}

/** The imported rooms that are not already reachable through other imports. */
function directOf(room, rooms) {
  const imported = [...rooms.get(room)];
  return imported.filter((to) => !imported.some((other) => other !== to && reaches(other, to, rooms))).sort();
}

function diagram() {
  const rooms = importsOfRooms();
  const names = [...rooms.keys()].sort();
  const top = Math.max(...names.map((room) => floorOf(room, rooms)));
  const id = (room) => room.replaceAll(/\W/g, "_");
  const label = (room) => (room.endsWith(".ts") ? room : `${room}/`);
  const lines = ["flowchart TD"];
  for (let floor = top; floor >= 0; floor--) {
    lines.push(`  subgraph floor${floor}["${floor === 0 ? "ground floor" : `floor ${floor}`}"]`);
    const rows = names.filter((room) => floorOf(room, rooms) === floor);
    lines.push(...rows.map((room) => `    ${id(room)}["${label(room)}"]`), "  end");
  }
  for (const room of names) {
    const direct = directOf(room, rooms);
    if (direct.length > 0) lines.push(`  ${id(room)} --> ${direct.map(id).join(" & ")}`);
  }
  return lines.join("\n");
}

const page = readFileSync(PAGE, "utf8");
const [start, end] = MARKERS.map((marker) => page.indexOf(marker));
if (start === -1 || end < start)
  throw new Error(`CONTRIBUTING.md lacks the markers ${MARKERS.join(" and ")}`);
const head = page.slice(0, start + MARKERS[0].length);
const drawn = `${head}\n\n\`\`\`mermaid\n${diagram()}\n\`\`\`\n\n${page.slice(end)}`;
if (!process.argv.includes("--check")) writeFileSync(PAGE, drawn);
else if (drawn !== page) {
  console.error("The diagram in CONTRIBUTING.md is out of date; run: node scripts/house-diagram.mjs");
  process.exit(1);
}
