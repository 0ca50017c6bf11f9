/** A place for values, whose arguments are checked. */
export interface KvBackend {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string, ttlSeconds: number | undefined): Promise<void>;
  delete(key: string): Promise<void>;
}
