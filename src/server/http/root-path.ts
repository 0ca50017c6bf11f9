/** Removes the root path from a request's URL, if present. */
export function withoutRootPath(url: string, rootPath: string): string {
  if (rootPath === "" || !url.startsWith(rootPath)) return url;
  const rest = url.slice(rootPath.length);
  if (rest === "" || rest.startsWith("?")) return `/${rest}`;
  return rest.startsWith("/") ? rest : url;
}
