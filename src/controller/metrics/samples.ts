/** The labels of a sample. */
export type Labels = Readonly<Record<string, string>>;

/** A sum for each combination of labels, which only grows. */
export class Counter {
  readonly #sums = new Map<string, { readonly labels: Labels; value: number }>();

  add(labels: Labels, amount = 1): void {
    const key = Object.values(labels).join("\0");
    const sum = this.#sums.get(key);
    if (sum === undefined) this.#sums.set(key, { labels, value: amount });
    else sum.value += amount;
  }

  samples(): Iterable<readonly [labels: Labels, value: number]> {
    return [...this.#sums.values()].map(({ labels, value }) => [labels, value] as const);
  }
}

/** How many values were at most as large as each bound, for each combination of labels. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { readonly labels: Labels; readonly counts: number[]; sum: number }>();

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  observe(labels: Labels, value: number): void {
    const key = Object.values(labels).join("\0");
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labels, counts: Array.from({ length: this.#bounds.length + 1 }, () => 0), sum: 0 };
      this.#series.set(key, series);
    }
    const index = this.#bounds.findIndex((bound) => value <= bound);
    const place = index < 0 ? this.#bounds.length : index;
    series.counts[place] = (series.counts[place] ?? 0) + 1;
    series.sum += value;
  }

  /** The lines of the exposition format, by the suffix of the name. */
  *samples(): Iterable<readonly [suffix: string, labels: Labels, value: number]> {
    for (const { labels, counts, sum } of this.#series.values()) {
      let total = 0;
      for (const [index, count] of counts.entries()) {
        total += count;
        yield ["_bucket", { ...labels, le: String(this.#bounds[index] ?? "+Inf") }, total];
      }
      yield ["_sum", labels, sum];
      yield ["_count", labels, total];
    }
  }
}

/** Text in Prometheus' exposition format. */
export class Exposition {
  #text = "";

  gauge(name: string, help: string, samples: Iterable<readonly [Labels, number]>): void {
    this.#family(name, "gauge", help);
    for (const [labels, value] of samples) this.#sample(name, labels, value);
  }

  counter(name: string, help: string, samples: Iterable<readonly [Labels, number]>): void {
    this.#family(name, "counter", help);
    for (const [labels, value] of samples) this.#sample(name, labels, value);
  }

  histogram(name: string, help: string, histogram: Histogram): void {
    this.#family(name, "histogram", help);
    for (const [suffix, labels, value] of histogram.samples())
      this.#sample(`${name}${suffix}`, labels, value);
  }

  toString(): string {
    return this.#text;
  }

  #family(name: string, type: string, help: string): void {
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  #sample(name: string, labels: Labels, value: number): void {
    const pairs = Object.entries(labels).map(
      ([label, text]) =>
        `${label}="${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`,
    );
    this.#text += `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
  }
}
