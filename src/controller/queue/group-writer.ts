interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Bounds of a group. */
export interface GroupLimits<Item> {
  readonly items: number;
  readonly bytes: number;
  readonly bytesOf: (item: Item) => number;
}

/**
 * Writes items in groups, one group at a time: the next one gathers while one commits. So a commit has many items under
 * load, and an item alone never waits for others.
 */
export class GroupWriter<Item, Result> {
  readonly #write: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly #limits: GroupLimits<Item>;
  #next: Waiting<Item, Result>[] = [];
  #work: Promise<void> | undefined;

  /** @param write stores a group; its results are in the order of the items */
  constructor(write: (items: readonly Item[]) => Promise<readonly Result[]>, limits: GroupLimits<Item>) {
    this.#write = write;
    this.#limits = limits;
  }

  /** Writes an item with the next group. @throws the error of its write */
  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#next.push({ item, resolve, reject });
      this.#work ??= this.#run();
    });
  }

  /** Ends when all items so far are written, or have failed. */
  async settled(): Promise<void> {
    while (this.#work !== undefined) await this.#work;
  }

  async #run(): Promise<void> {
    // Items of the same turn of the event loop belong to the first group.
    await new Promise(setImmediate);
    while (this.#next.length > 0) await this.#writeGroup(this.#takeGroup());
    this.#work = undefined;
  }

  #takeGroup(): Waiting<Item, Result>[] {
    const { items, bytes, bytesOf } = this.#limits;
    let count = 0;
    let size = 0;
    for (const { item } of this.#next) {
      size += bytesOf(item);
      if (count > 0 && (count >= items || size > bytes)) break;
      count++;
    }
    return this.#next.splice(0, count);
  }

  async #writeGroup(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#write(group.map(({ item }) => item));
      for (const [index, { resolve }] of group.entries()) resolve(results[index] as Result);
    } catch (error) {
      const [first] = group;
      if (group.length === 1) return first?.reject(error);
      // One item may be at fault: the others must not fail with it.
      for (const each of group) await this.#writeGroup([each]);
    }
  }
}
