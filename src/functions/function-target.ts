import type { Bundle } from "./bundle/bundle.ts";
import type { Options } from "./options.ts";
import type { SourceLocation } from "./source-location.ts";

/** What a host is given to run. */
export interface FunctionTarget {
  /** For messages: the handler's name, or the place where the function is defined. */
  readonly name: string;
  readonly options: Options;
  /** Where in the bundle the function is found. */
  readonly entry: FunctionEntry;
  /** The code that travels. Made at the first call. */
  bundle(): Promise<Bundle>;
}

/** How a function is found in its bundle: by where it is defined or, where that was given, by its export's name. */
export interface FunctionEntry {
  readonly place: SourceLocation;
  readonly exportName?: string;
  /** How many parameters its handler declares, to tell it from another one on the same line. */
  readonly parameters?: number;
}
