/** The values of KVStores. Names and values are bytes: they may have the character 0, which texts of PostgreSQL may not. */
export const VALUES = `
create table kv_values (
  environment text not null references environments on delete cascade,
  db text not null,
  key bytea not null,
  value bytea not null,
  expires_at timestamptz,
  primary key (environment, db, key)
);
create index kv_values_by_expiry on kv_values (expires_at) where expires_at is not null;
`;
