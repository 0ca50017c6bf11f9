/**
 * The durable queue. A request that runs belongs to a holder, a process of the platform: its lease is one row, whatever
 * number of requests it runs. Inputs and answers are in tables of their own, so that the rows that change stay small.
 */
export const REQUESTS = `
create table requests (
  id uuid primary key,
  seq bigint generated always as identity,
  environment text not null,
  app text not null,
  caller text not null,
  idempotency_key text,
  priority smallint not null,
  state text not null check (state in ('queued', 'delayed', 'running', 'completed', 'cancelled')),
  attempt integer not null default 1,
  holder text,
  runner text,
  reason text,
  submitted_at timestamptz not null,
  start_by timestamptz,
  due_at timestamptz,
  started_at timestamptz,
  completed_at timestamptz,
  is_cancel_asked boolean not null default false,
  may_retry boolean not null,
  keeps_data boolean not null,
  webhook_url text,
  hint text,
  status integer,
  error text,
  error_type text,
  run_seconds double precision
);
create unique index requests_by_idempotency_key on requests (environment, app, caller, idempotency_key)
  where idempotency_key is not null;
create index requests_queued on requests (environment, app, priority, seq) include (submitted_at) where state = 'queued';
create index requests_delayed on requests (due_at) where state = 'delayed';
create index requests_running on requests (holder) where state = 'running';
create index requests_by_start on requests (start_by) where state in ('queued', 'delayed') and start_by is not null;
create index requests_ended on requests (completed_at) where state in ('completed', 'cancelled');

create table request_payloads (
  id uuid primary key,
  method text not null,
  path text not null,
  headers jsonb not null,
  body bytea
);

create table request_results (
  id uuid primary key,
  headers jsonb not null,
  body bytea not null
);

create table queue_holders (
  id text primary key,
  lease_until timestamptz not null
);
`;
