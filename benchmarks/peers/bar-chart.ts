/** One bar. */
interface Bar {
  readonly name: string;
  readonly value: number;
}

/** The content of a bar chart. */
export interface BarChart {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
  /** The start of the names of the bars in another colour. */
  readonly highlighted: string;
}

const WIDTH = 760;
const LEFT = 170;
const RIGHT = 640;
const TOP = 52;
const STEP = 30;
const INK = "#334155";

/** Draws horizontal bars from 0, each with its value, as an SVG file on a white ground. */
export function drawBarChart({ title, unit, bars, highlighted }: BarChart): string {
  const height = TOP + bars.length * STEP + 14;
  const largest = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="13" fill="${INK}">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="20" y="30" font-size="17" font-weight="600">${escape(`${title}, in ${unit}`)}</text>`,
    ...bars.flatMap(({ name, value }, index) => {
      const top = TOP + index * STEP;
      const width = ((RIGHT - LEFT) * value) / largest;
      const color = name.startsWith(highlighted) ? "#2563eb" : "#94a3b8";
      return [
        `<text x="${LEFT - 10}" y="${top + 15}" text-anchor="end">${escape(name)}</text>`,
        `<rect x="${LEFT}" y="${top}" width="${width.toFixed(1)}" height="20" fill="${color}"/>`,
        `<text x="${(LEFT + width + 8).toFixed(1)}" y="${top + 15}">${formatFigure(value)}</text>`,
      ];
    }),
    "</svg>",
    "",
  ].join("\n");
}

/** Three significant digits; more would be noise. */
export function formatFigure(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
