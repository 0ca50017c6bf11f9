/**
 * Variables that every process needs: paths of programs, the user's folder and temporary files, the language, and
 * trusted certificates. None of them is a secret.
 */
const SAFE_VARIABLES: readonly string[] = [
  "PATH",
  "HOME",
  "LANG",
  "LC_ALL",
  "TZ",
  "TMPDIR",
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  // A function that calls another one must find the same cache.
  "XDG_CACHE_HOME",
  "SERVABLE_CACHE_DIR",
  // Windows
  "SystemRoot",
  "SystemDrive",
  "USERPROFILE",
  "APPDATA",
  "LOCALAPPDATA",
  "PATHEXT",
  "TEMP",
  "TMP",
];

/** The option `env`: names of this process's variables to pass on, or variables with their values. */
export type PassedVariables = readonly string[] | Readonly<Record<string, string>>;

/**
 * The environment variables of a worker: of this process's variables, only the safe ones and the listed ones.
 * @param passed names that are not set in this process are omitted
 * @param safe the names of the safe variables
 */
export function workerVariables(
  passed: PassedVariables = [],
  own: NodeJS.ProcessEnv = process.env,
  safe: readonly string[] = SAFE_VARIABLES,
): Record<string, string> {
  const isList = Array.isArray as (value: unknown) => value is readonly string[];
  const names = isList(passed) ? [...safe, ...passed] : safe;
  const variables: Record<string, string> = {};
  for (const name of names) {
    const value = own[name];
    if (value !== undefined) variables[name] = value;
  }
  return isList(passed) ? variables : { ...variables, ...passed };
}
