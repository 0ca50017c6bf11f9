/** One line of a plot. */
export interface Series {
  readonly name: string;
  /** A CSS colour. */
  readonly color: string;
  readonly dashed?: boolean;
  /** From left to right. */
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Whether every point gets a dot: measured points do, computed ones do not. */
  readonly dots?: boolean;
}

/** The content of a plot. */
export interface Plot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** A vertical line with a name. */
  readonly mark?: { readonly x: number; readonly label: string };
  /** Where the axes start. Default: at 0. */
  readonly origin?: { readonly x: number; readonly y: number };
}

const WIDTH = 860;
const HEIGHT = 500;
const AREA = { left: 76, top: 56, right: 640, bottom: 436 };
const GRID = "#e4e7eb";
const INK = "#334155";

/** Draws lines over two axes with a legend, as an SVG file on a white ground. */
export function drawPlot({ title, xLabel, yLabel, series, mark, origin = { x: 0, y: 0 } }: Plot): string {
  const points = series.flatMap((line) => line.points);
  const xTicks = ticks(Math.max(...points.map(([x]) => x))).filter((tick) => tick >= origin.x);
  const yTicks = ticks(Math.max(...points.map(([, y]) => y))).filter((tick) => tick >= origin.y);
  const xMax = xTicks.at(-1) ?? 1;
  const yMax = yTicks.at(-1) ?? 1;
  const x = (value: number): string =>
    (AREA.left + ((value - origin.x) / (xMax - origin.x)) * (AREA.right - AREA.left)).toFixed(1);
  const y = (value: number): string =>
    (AREA.bottom - ((value - origin.y) / (yMax - origin.y)) * (AREA.bottom - AREA.top)).toFixed(1);
  const middle = { x: (AREA.left + AREA.right) / 2, y: (AREA.top + AREA.bottom) / 2 };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="${INK}">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${AREA.left}" y="30" font-size="17" font-weight="600">${escape(title)}</text>`,
    ...yTicks.flatMap((value) => [
      `<line x1="${AREA.left}" y1="${y(value)}" x2="${AREA.right}" y2="${y(value)}" stroke="${GRID}"/>`,
      `<text x="${AREA.left - 8}" y="${y(value)}" text-anchor="end" dominant-baseline="middle">${number(value)}</text>`,
    ]),
    ...xTicks.flatMap((value) => [
      `<line x1="${x(value)}" y1="${AREA.bottom}" x2="${x(value)}" y2="${AREA.bottom + 5}" stroke="${INK}"/>`,
      `<text x="${x(value)}" y="${AREA.bottom + 21}" text-anchor="middle">${number(value)}</text>`,
    ]),
    `<path d="M${AREA.left} ${AREA.top}V${AREA.bottom}H${AREA.right}" fill="none" stroke="${INK}"/>`,
    `<text x="${middle.x}" y="${HEIGHT - 18}" text-anchor="middle">${escape(xLabel)}</text>`,
    `<text transform="translate(22 ${middle.y}) rotate(-90)" text-anchor="middle">${escape(yLabel)}</text>`,
    ...(mark === undefined
      ? []
      : [
          `<line x1="${x(mark.x)}" y1="${AREA.top}" x2="${x(mark.x)}" y2="${AREA.bottom}" stroke="${INK}" stroke-dasharray="2 4"/>`,
          `<text x="${x(mark.x)}" y="${AREA.top - 6}" text-anchor="middle">${escape(mark.label)}</text>`,
        ]),
    // The first line is drawn on top of the others.
    ...series
      .toReversed()
      .flatMap((line) => [
        `<polyline points="${line.points.map(([px, py]) => `${x(px)},${y(py)}`).join(" ")}" fill="none" ${stroke(line)}/>`,
        ...(line.dots === true
          ? line.points.map(
              ([px, py]) => `<circle cx="${x(px)}" cy="${y(py)}" r="3.5" fill="${line.color}"/>`,
            )
          : []),
      ]),
    ...series.flatMap((line, index) => {
      const top = AREA.top + 12 + index * 24;
      const left = AREA.right + 20;
      return [
        `<line x1="${left}" y1="${top}" x2="${left + 26}" y2="${top}" ${stroke(line)}/>`,
        `<text x="${left + 34}" y="${top}" dominant-baseline="middle">${escape(line.name)}</text>`,
      ];
    }),
    "</svg>",
    "",
  ].join("\n");
}

/** Five to ten round values, from 0 to the first one at or above the largest value. */
export function ticks(largest: number): number[] {
  const magnitude = 10 ** Math.floor(Math.log10(largest || 1));
  const step = [0.1, 0.2, 0.5, 1].map((part) => part * magnitude).find((size) => largest / size <= 10) ?? 1;
  const count = Math.ceil(largest / step - 1e-9);
  return Array.from({ length: Math.max(1, count) + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

function stroke({ color, dashed = false }: Series): string {
  return `stroke="${color}" stroke-width="2.2" stroke-linejoin="round"${dashed ? ' stroke-dasharray="7 5"' : ""}`;
}

function number(value: number): string {
  return value.toLocaleString("en");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
