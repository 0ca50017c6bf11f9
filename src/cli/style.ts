/** Colours a text, or returns it unchanged. */
export type Paint = (text: string) => string;

/** The few colours the command line uses. */
export interface TerminalStyle {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
}

/** Colours for a stream. None unless it is a terminal; none if `NO_COLOR` is set. */
export function styleFor(stream: { readonly isTTY?: boolean }): TerminalStyle {
  const isOn = stream.isTTY === true && !process.env["NO_COLOR"];
  const paint =
    (on: number, off: number): Paint =>
    (text) =>
      isOn ? `\u001B[${on}m${text}\u001B[${off}m` : text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
  };
}
