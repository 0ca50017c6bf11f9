/** The number of requests that arrived in each second of a minute, for minutes that have any. */
export const ARRIVALS = `
create table arrivals (
  environment text not null,
  app text not null,
  minute timestamptz not null,
  counts integer[] not null check (cardinality(counts) = 60),
  primary key (environment, app, minute)
);
create index arrivals_by_minute on arrivals (minute);
`;
