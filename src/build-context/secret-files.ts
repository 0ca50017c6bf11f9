/** Endings of backup copies. */
const COPY_ENDING = String.raw`(?:~|\.(?:bak|backup|old|orig|save|swp|tmp|copy))?`;

/** Files of environment variables: `.env`, `.env.production`, `prod.env`. */
const VARIABLES = String.raw`\.env(?:[._-].+)?|.+\.env|\.envrc|\.dev\.vars(?:\..+)?|\.secrets?|\.?secrets\.(?:json|ya?ml|toml|ini)`;
/** Settings that contain tokens: of package managers, cloud tools and databases. */
const LOGINS = [
  String.raw`\.npmrc|\.yarnrc(?:\.ya?ml)?|\.pypirc|pip\.conf|\.netrc|_netrc|\.git-credentials|\.gitconfig`,
  String.raw`\.dockercfg|(?:.+\.)?kubeconfig|\.pgpass|\.my\.cnf|\.mylogin\.cnf|\.htpasswd|\.s3cfg|\.boto`,
  String.raw`\.vault-token|\.terraformrc|terraform\.rc|\.modal\.toml|\.databrickscfg|\.\w+_history`,
  String.raw`.*service[-_]?account.*\.json|.*firebase-adminsdk.*\.json|client_secrets?.*\.json`,
  String.raw`application_default_credentials\.json|credentials\.(?:json|csv|ya?ml|toml|ini)`,
  String.raw`.*\.tfstate(?:\..+)?|.*\.tfvars(?:\.json)?`,
].join("|");
/** Private keys under the names that programs give them. */
const KEYS = String.raw`id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?(?:[._-].+)?|.+_(?:rsa|dsa|ecdsa|ed25519)|ssh_host_.+_key`;
const KEY_FILES = String.raw`.*\.(?:pem|key|p12|pfx|pkcs12|p8|ppk|jks|keystore|kdbx?|agekey|ovpn)`;
const FOLDERS = String.raw`\.aws|\.ssh|\.gnupg|\.kube|\.azure|\.oci|\.gcloud|\.fal|\.password-store|\.terraform(?:\.d)?|\.git|\.hg|\.svn`;

const SECRET = new RegExp(`^(?:(?:${VARIABLES}|${LOGINS}|${KEYS})${COPY_ENDING}|${FOLDERS})$`, "iu");
const KEY_FILE = new RegExp(`^${KEY_FILES}${COPY_ENDING}$`, "iu");
/** Templates such as `.env.example`, and public keys: not secret. */
const SHOWN =
  /[._-](?:example|sample|template|tmpl|dist|defaults?|schema)$|^(?:example|sample|template)\.env$|\.pub$/iu;
/** Folders of installed packages: keys in them are public test data. */
const PACKAGES = /^(?:node_modules|site-packages)$/u;
/** Files that are secret only in a certain folder; the group is the name that an exception has to match. */
const IN_FOLDERS: readonly RegExp[] = [
  /(?:^|\/)(\.docker)\/config\.json$/iu,
  /(?:^|\/)\.config\/(gcloud|gh|hub|op|rclone)(?:\/|$)/iu,
  /(?:^|\/)\.(?:cargo|gem)\/(credentials(?:\.toml)?)$/iu,
  /(?:^|\/)\.m2\/(settings(?:-security)?\.xml)$/iu,
  /(?:^|\/)\.?huggingface\/(token|stored_tokens)$/iu,
  /(?:^|\/)\.composer\/(auth\.json)$/iu,
];

/**
 * The segments of a path that are typical of secrets: the name of the file, or of a folder above it. Empty for any other
 * path. Contents are not read.
 * @param path relative, with `/` between the segments; a folder's may end in `/`
 */
export function secretParts(path: string): readonly string[] {
  const parts = path.split("/").filter((part) => part !== "");
  const found: string[] = [];
  let isInPackages = false;
  for (const part of parts) {
    isInPackages ||= PACKAGES.test(part);
    if (SHOWN.test(part)) continue;
    if (SECRET.test(part) || (!isInPackages && KEY_FILE.test(part))) found.push(part);
  }
  for (const rule of IN_FOLDERS) {
    const [, name] = rule.exec(path.replace(/\/$/, "")) ?? [];
    if (name !== undefined) found.push(name);
  }
  return found;
}
