const known = new Map<string, Promise<typeof fetch>>();

/**
 * `fetch` that trusts one authority besides those that Node trusts. Node's own takes no authority, and its version of undici differs
 * from the one that makes the agent, so that both are of the package.
 */
export function fetchTrusting(authority: string): Promise<typeof fetch> {
  let found = known.get(authority);
  if (found === undefined) known.set(authority, (found = createFetch(authority)));
  return found;
}

async function createFetch(authority: string): Promise<typeof fetch> {
  const { Agent, fetch: send } = await import("undici");
  const { rootCertificates } = await import("node:tls");
  const dispatcher = new Agent({ connect: { ca: [...rootCertificates, authority] } });
  // The same standard; its types are declared twice.
  return ((input: URL, init: object) => send(input, { ...init, dispatcher })) as unknown as typeof fetch;
}
