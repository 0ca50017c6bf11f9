/**
 * Derives the name of a deployed app from the name of its class: `TextToImage` → `text-to-image`, `GPT4App` →
 * `gpt4-app`, `SDXLModel` → `sdxl-model`, `snake_case` → `snake-case`. The result for an anonymous class is `app`.
 */
export function deriveAppName(className: string): string {
  const name = className
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1-$2")
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1-$2")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  return name === "" || name === "default" ? "app" : name;
}
