/** Takes the root path off a request's address, where it is there. */
export function withoutRootPath(url: string, rootPath: string): string {
  if (rootPath === "" || !url.startsWith(rootPath)) return url;
  const rest = url.slice(rootPath.length);
  if (rest === "" || rest.startsWith("?")) return `/${rest}`;
  return rest.startsWith("/") ? rest : url;
}
