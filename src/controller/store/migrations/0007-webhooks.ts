/** Webhooks to be sent, and each attempt to send one. */
export const WEBHOOKS = `
create table webhooks (
  id uuid primary key default gen_random_uuid(),
  environment text not null,
  app text not null,
  request_id text not null,
  url text not null,
  -- The host and the port of the address: one that is slow must not keep others waiting.
  host text not null,
  -- The attempt of the request that gave the answer, and its status.
  request_attempt integer not null,
  status integer not null,
  -- Null if it is too large for a webhook.
  answer bytea,
  answer_bytes integer not null,
  state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
  attempts integer not null default 0,
  -- The attempts before it was sent again by hand: they do not count.
  earlier_attempts integer not null default 0,
  -- Of a webhook that is being sent: when it is taken to be lost with its sender, and is sent again.
  next_at timestamptz not null,
  created_at timestamptz not null,
  finished_at timestamptz
);
create index webhooks_due on webhooks (next_at) where state = 'waiting';
create index webhooks_by_request on webhooks (request_id);
create table webhook_attempts (
  webhook uuid not null references webhooks on delete cascade,
  attempt integer not null,
  started_at timestamptz not null,
  duration_ms integer not null,
  -- The status of the receiver's answer; null without an answer.
  status integer,
  error text,
  primary key (webhook, attempt)
);
`;
