import { didYouMean } from "../../did-you-mean.ts";
import { UsageError } from "../../errors.ts";

/** As the builders write them, and as others do. */
const ARCHITECTURES: readonly string[] = [
  ...["amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "loong64", "mips64le"],
  ...["x86_64", "aarch64", "armhf", "armel", "i386"],
];

/**
 * Refuses what is no platform of an image, such as `linux/arm64` or `linux/arm/v7`, before anything is built.
 * @throws UsageError
 */
export function assertPlatform(text: string): void {
  const [system = "", architecture = "", variant, ...rest] = text.split("/");
  const isKnown = /^(?:linux|windows)$/.test(system) && ARCHITECTURES.includes(architecture);
  if (isKnown && (variant === undefined || /^v\d+$/.test(variant)) && rest.length === 0) return;
  if (text.includes(",")) {
    throw new UsageError(
      `--platform takes one platform, not "${text}": build an image of another name for each, and join them in the registry.`,
    );
  }
  const known = [...ARCHITECTURES, "arm/v6", "arm/v7"].map((name) => `linux/${name}`);
  const meant = ARCHITECTURES.includes(text) ? `; did you mean "linux/${text}"?` : didYouMean(text, known);
  throw new UsageError(
    `"${text}" is no platform of an image${meant || "; write one like linux/amd64 or linux/arm64."}`,
  );
}
