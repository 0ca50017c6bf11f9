/** The lives of keys: when they expire, when they were last used, and the secret before a rotation. */
export const KEY_LIVES = `
alter table keys
  add column expires_at timestamptz,
  add column last_used_at timestamptz,
  add column previous_secret_hash bytea,
  add column previous_expires_at timestamptz;
`;
