/** The words of a name: `num_images`, `numImages` and `NumImages` all give `Num Images`. */
export function titleWords(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1 $2")
    .split(/[\s_-]+/)
    .filter((word) => word !== "")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(" ");
}

/** `text_to_image` and `textToImage` give `TextToImage`. */
export function pascalCase(name: string): string {
  return titleWords(name).replaceAll(" ", "");
}
