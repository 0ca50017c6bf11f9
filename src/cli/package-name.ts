import { UsageError } from "../errors.ts";

/** Checks a name by npm's rules. @throws UsageError that says what is wrong with it */
export function assertPackageName(name: string): void {
  const plain = name.replace(/^@[^/]+\//, "");
  const fault =
    name === ""
      ? "it is empty"
      : name.length > 214
        ? "it is longer than 214 characters"
        : name !== name.toLowerCase()
          ? `it has capital letters; write "${name.toLowerCase()}"`
          : /^[._]/.test(plain)
            ? 'it starts with "." or "_"'
            : !/^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name)
              ? "it may hold small letters, digits, - . _ and ~"
              : ["node_modules", "favicon.ico"].includes(name)
                ? "npm keeps it for itself"
                : undefined;
  if (fault !== undefined) throw new UsageError(`"${name}" can't be the name of a package: ${fault}.`);
}
