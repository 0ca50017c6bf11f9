/**
 * Stored files: objects. Their contents are in a folder or a bucket under names of their own, so that what is written
 * for an upload that fails is never in the way. `loose_contents` has the names of contents that no object has: of uploads
 * under way, and of objects that were removed.
 */
export const OBJECTS = `
create table objects (
  id text primary key,
  content text not null unique,
  key_id text,
  environment text not null,
  name text not null,
  type text not null,
  size bigint not null check (size >= 0),
  digest bytea not null,
  acl text not null check (acl in ('allow', 'hide', 'forbid')),
  expires_at timestamptz,
  created_at timestamptz not null
);
create index objects_by_expiry on objects (expires_at) where expires_at is not null;
create table object_uploads (
  id text primary key,
  object_id text not null unique,
  key_id text,
  environment text not null,
  name text not null,
  type text not null,
  acl text not null,
  expiry_seconds bigint,
  ends_at timestamptz not null,
  is_complete boolean not null default false
);
create index object_uploads_by_end on object_uploads (ends_at);
create table loose_contents (
  content text primary key,
  removable_at timestamptz not null
);
`;
