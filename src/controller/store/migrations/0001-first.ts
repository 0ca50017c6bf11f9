/** The first version of the tables. */
export const FIRST = `
create table settings (
  name text primary key,
  value jsonb not null
);

create table keys (
  id text primary key,
  secret_hash bytea not null,
  description text,
  preset text,
  permissions text[] not null,
  created_at timestamptz not null default now()
);

create table environments (
  name text primary key,
  description text,
  created_at timestamptz not null default now()
);
insert into environments (name) values ('main');

create table secrets (
  environment text not null references environments on delete cascade,
  name text not null,
  sealed bytea not null,
  is_exposed_by_default boolean not null,
  created_at timestamptz not null default now(),
  primary key (environment, name)
);

create table files (
  hash text primary key,
  size_bytes bigint not null,
  mode integer not null,
  used_at timestamptz not null default now()
);

-- A revision is what was deployed, and never changes. Its environment is the name in the address of its app.
create table revisions (
  id text primary key,
  app text not null,
  environment text not null references environments,
  definition jsonb not null,
  code_settings jsonb not null,
  state text not null check (state in ('pending', 'ready', 'failed')),
  failure text,
  start_ms double precision,
  created_at timestamptz not null default now()
);
create index revisions_of_app on revisions (app, environment, created_at);

-- An app is a name that leads to one revision. While a new one is rolled out, it is in next_revision.
create table apps (
  name text not null,
  environment text not null references environments,
  revision text not null references revisions,
  next_revision text references revisions,
  auth_mode text not null check (auth_mode in ('private', 'public', 'shared')),
  scale jsonb not null,
  history jsonb,
  created_at timestamptz not null default now(),
  primary key (name, environment)
);

create table runners (
  id text primary key,
  app text not null,
  environment text not null,
  revision text not null references revisions,
  engine text not null,
  handle jsonb,
  state text not null check (state in ('pending', 'setup', 'ready', 'draining', 'terminating', 'terminated')),
  reason text not null,
  token_hash bytea not null,
  address text,
  created_at timestamptz not null default now(),
  ready_at timestamptz,
  ended_at timestamptz,
  ending text
);
create index runners_alive on runners (app, environment) where state <> 'terminated';
create index runners_ended on runners (ended_at) where state = 'terminated';

create table decisions (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  app text not null,
  environment text not null,
  target integer not null,
  started integer not null,
  stopped integer not null,
  reason text not null,
  numbers jsonb not null
);
create index decisions_of_app on decisions (app, environment, at desc);
`;
