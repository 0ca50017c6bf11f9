/** The syntax tree of a pattern. */
export type Part =
  | { readonly kind: "character"; readonly source: string }
  | { readonly kind: "sequence" | "choice"; readonly parts: readonly Part[] }
  | { readonly kind: "repeat"; readonly part: Part; readonly min: number; readonly max: number }
  | { readonly kind: "start" | "end" | "boundary" | "backreference" }
  | { readonly kind: "look"; readonly part: Part };

/** Parses a pattern that `new RegExp(source, "u")` accepts. */
export function parsePattern(source: string): Part {
  const reader = new Reader(source);
  return reader.choice();
}

class Reader {
  readonly #characters: readonly string[];
  #at = 0;

  constructor(source: string) {
    this.#characters = [...source];
  }

  choice(): Part {
    const parts = [this.#sequence()];
    while (this.#take("|")) parts.push(this.#sequence());
    return parts.length === 1 ? (parts[0] as Part) : { kind: "choice", parts };
  }

  #sequence(): Part {
    const parts: Part[] = [];
    while (this.#at < this.#characters.length && !this.#sees("|") && !this.#sees(")")) {
      parts.push(this.#quantified(this.#atom()));
    }
    return parts.length === 1 ? (parts[0] as Part) : { kind: "sequence", parts };
  }

  #quantified(part: Part): Part {
    const [min, max] = this.#quantifier() ?? [1, 1];
    return min === 1 && max === 1 ? part : { kind: "repeat", part, min, max };
  }

  #quantifier(): readonly [min: number, max: number] | undefined {
    let range: readonly [number, number] | undefined;
    if (this.#take("*")) range = [0, Infinity];
    else if (this.#take("+")) range = [1, Infinity];
    else if (this.#take("?")) range = [0, 1];
    else if (this.#take("{")) {
      const [min = "", max] = this.#until("}").split(",");
      range = [Number(min), max === undefined ? Number(min) : max === "" ? Infinity : Number(max)];
    }
    if (range !== undefined) this.#take("?"); // lazy: the same paths in another order
    return range;
  }

  #atom(): Part {
    const character = this.#next();
    switch (character) {
      case "^":
        return { kind: "start" };
      case "$":
        return { kind: "end" };
      case "(":
        return this.#group();
      case "[":
        return { kind: "character", source: this.#class() };
      case "\\":
        return this.#escape();
      default:
        return { kind: "character", source: character };
    }
  }

  #group(): Part {
    let isLook = false;
    if (this.#take("?")) {
      if (this.#take("<")) {
        if (this.#take("=") || this.#take("!")) isLook = true;
        else this.#until(">");
      } else if (this.#take("=") || this.#take("!")) isLook = true;
      else this.#until(":"); // perhaps with flags
    }
    const part = this.choice();
    this.#take(")");
    return isLook ? { kind: "look", part } : part;
  }

  #escape(): Part {
    const letter = this.#next();
    if (letter === "b" || letter === "B") return { kind: "boundary" };
    if (letter === "k" || /[1-9]/.test(letter)) {
      if (letter === "k") this.#until(">");
      return { kind: "backreference" };
    }
    let source = `\\${letter}`;
    if (letter === "c") source += this.#next();
    else if (letter === "x") source += this.#next() + this.#next();
    else if ((letter === "u" || letter === "p" || letter === "P") && this.#take("{"))
      source += `{${this.#until("}")}}`;
    else if (letter === "u") {
      source += this.#some(4);
      const isLead = /^\\u[dD][89abAB]/.test(source);
      const rest = this.#characters.slice(this.#at, this.#at + 6).join("");
      if (isLead && /^\\u[dD][c-fC-F][0-9a-fA-F]{2}$/.test(rest)) source += this.#some(6);
    }
    return { kind: "character", source };
  }

  #class(): string {
    let source = "[";
    for (;;) {
      const character = this.#next();
      source += character;
      if (character === "]") return source;
      if (character === "\\") source += this.#next();
    }
  }

  #some(count: number): string {
    return Array.from({ length: count }, () => this.#next()).join("");
  }

  #until(end: string): string {
    let text = "";
    for (let character = this.#next(); character !== end; character = this.#next()) text += character;
    return text;
  }

  #sees(character: string): boolean {
    return this.#characters[this.#at] === character;
  }

  #take(character: string): boolean {
    if (!this.#sees(character)) return false;
    this.#at++;
    return true;
  }

  #next(): string {
    const character = this.#characters[this.#at++];
    if (character === undefined) throw new SyntaxError("the pattern ends too early");
    return character;
  }
}
