/** Values by time, the earliest first. Of equal times, any may be first. */
export class EventQueue<Value> {
  readonly #times: number[] = [];
  readonly #values: Value[] = [];

  /** The time of the first value; Infinity without one. */
  get nextTime(): number {
    return this.#times[0] ?? Infinity;
  }

  push(time: number, value: Value): void {
    let index = this.#times.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if ((this.#times[parent] as number) <= time) break;
      this.#move(parent, index);
      index = parent;
    }
    this.#put(index, time, value);
  }

  /** Removes the first value. @throws Error if there is none */
  pop(): Value {
    const [first] = this.#values;
    const time = this.#times.pop();
    const value = this.#values.pop();
    if (time === undefined || value === undefined) throw new Error("The queue of events is empty.");
    const length = this.#times.length;
    if (length === 0) return value;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#timeAt(child + 1) < this.#timeAt(child)) child++;
      if (this.#timeAt(child) >= time) break;
      this.#move(child, index);
      index = child;
    }
    this.#put(index, time, value);
    return first as Value;
  }

  #timeAt(index: number): number {
    return this.#times[index] as number;
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#timeAt(from), this.#values[from] as Value);
  }

  #put(index: number, time: number, value: Value): void {
    this.#times[index] = time;
    this.#values[index] = value;
  }
}
