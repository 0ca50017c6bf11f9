// Types of the packages for the compiler. They are not installed in this repository: each function has its own.

declare module "marked" {
  export function parse(markdown: string): string;
}

declare module "pngjs" {
  export class PNG {
    constructor(size: { width: number; height: number });
    readonly data: Uint8Array;
    static readonly sync: { write(picture: PNG): Uint8Array };
  }
}

declare module "slugify" {
  export default function slugify(
    text: string,
    options: { lower: boolean; strict: boolean; locale: string },
  ): string;
}
