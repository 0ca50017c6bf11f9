// Draws the pictures in this folder. The README names the fonts that are needed.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import sharp from "sharp";

/** Where a line begins, and the size of its letters. */
type Place = readonly [x: number, y: number, size: number];

interface Drawing {
  readonly size: readonly [width: number, height: number];
  readonly paper: string;
  readonly ink: string;
  readonly font: string;
  /** In degrees, clockwise. */
  readonly turn?: number;
  readonly places: readonly Place[];
}

const column = (x: number): Place[] => [150, 190, 230, 270, 310].map((y) => [x, y, 24]);

const DRAWINGS: Readonly<Record<string, Drawing>> = {
  "newspaper.png": {
    size: [860, 430],
    paper: "#f7f0dd",
    ink: "#222",
    font: "DejaVu Serif",
    places: [[60, 80, 44], ...column(60), ...column(480), [60, 385, 18]],
  },
  "sign.jpg": {
    size: [640, 380],
    paper: "#0a3060",
    ink: "#fff3b0",
    font: "DejaVu Sans Condensed",
    turn: -7,
    places: [
      [80, 140, 72],
      [80, 220, 40],
      [80, 280, 40],
    ],
  },
  "receipt.webp": {
    size: [460, 300],
    paper: "white",
    ink: "black",
    font: "DejaVu Sans Mono",
    turn: 2,
    places: [
      [120, 60, 32],
      [40, 120, 22],
      [350, 120, 22],
      [40, 155, 22],
      [350, 155, 22],
      [40, 210, 26],
      [340, 210, 26],
      [40, 260, 18],
    ],
  },
  "station.png": {
    size: [480, 300],
    paper: "white",
    ink: "#111",
    font: "Noto Sans SC",
    places: [
      [50, 90, 48],
      [50, 150, 30],
      [50, 205, 30],
      [50, 260, 30],
    ],
  },
};

const texts = JSON.parse(readFileSync(new URL("./texts.json", import.meta.url), "utf8")) as Record<
  string,
  string[]
>;
for (const [name, { size, paper, ink, font, turn = 0, places }] of Object.entries(DRAWINGS)) {
  const [width, height] = size;
  const lines = places.map(([x, y, letters], index) => {
    return `<text x="${x}" y="${y}" font-size="${letters}">${texts[name]?.[index] ?? ""}</text>`;
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="${paper}"/>
    <g fill="${ink}" font-family="${font}" transform="rotate(${turn} ${width / 2} ${height / 2})">${lines.join("")}</g>
  </svg>`;
  const file = fileURLToPath(new URL(name, import.meta.url));
  await sharp(Buffer.from(svg))
    .png({ palette: true })
    .jpeg({ quality: 70 })
    .webp({ quality: 60 })
    .toFile(file);
}
