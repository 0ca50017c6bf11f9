import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  ApplicationAuthMode,
  HostedRunResultSchema,
  HostedRunStatus_State,
  type HostedRun,
  type HostedRunResult,
  type IsolateController,
} from "../../platform/generated/controller_pb.ts";
import { readFunctionFacts, type FunctionFacts } from "../../build-context/function-facts.ts";
import { logEntry, type LogEntry } from "../../log-entry.ts";
import type { LiveRunner } from "../scheduler/live-runner.ts";
import { aliasOf } from "../state/app-names.ts";
import { DEFAULT_SCALE, findApp, type AppRow, type Scale } from "../state/apps.ts";
import { MAIN_ENVIRONMENT } from "../state/environments.ts";
import { createRevision, type Definition } from "../state/revisions.ts";
import { codeSettingsOf, definitionOf, engineFor, scaleWith } from "./definition.ts";
import { ItemQueue } from "./item-queue.ts";
import { validPlace, type Place } from "./places.ts";
import type { ControlServiceParts } from "./service-parts.ts";
import { authModeOf, serviceUrls, wireLog } from "./wire.ts";

/** How often the output of a run's runners is looked at, in milliseconds: its caller waits for the last lines. */
const OUTPUT_MS = 50;
/** Time beyond a function's own limit after which the gateway breaks off, in seconds: the function's error says more. */
const EXTRA_SECONDS = 10;

type Result = MessageInitShape<typeof HostedRunResultSchema>;

/** The call that runs an app until its caller leaves. */
export function runMethods(parts: ControlServiceParts): Partial<ServiceImpl<typeof IsolateController>> {
  return { run: (request, context) => run(parts, request, context) };
}

async function* run(
  parts: ControlServiceParts,
  request: HostedRun,
  { signal }: HandlerContext,
): AsyncGenerator<HostedRunResult> {
  const { database, scheduler, owner, publicUrl } = parts;
  const definition = definitionOf(request, parts);
  await engineFor(parts, "run", definition.image, request.machineRequirements);
  const facts = functionFacts(definition);
  const place = await placeOfRun(parts, request, facts);
  const revision = await createRevision(database, {
    ...place,
    definition,
    codeSettings: codeSettingsOf(request.machineRequirements),
  });
  const row: AppRow = {
    name: place.app,
    environment: place.environment,
    revision: revision.id,
    nextRevision: null,
    // The protocol's default.
    authMode: authModeOf(request.authMode ?? ApplicationAuthMode.PUBLIC),
    scale: scaleOfRun(request, facts !== undefined),
    createdAt: new Date(),
  };
  const results = new ItemQueue<Result>();
  const tell = (log: LogEntry): void => results.push({ logs: [wireLog(log)] });
  const outputs = new Set<Promise<void>>();
  signal.throwIfAborted();
  const app = scheduler.run(row, revision, {
    onLog: tell,
    onRunner: (runner) => void outputs.add(forwardOutput(parts, runner, signal, tell)),
    onReady: () => results.push({ serviceUrls: serviceUrls(publicUrl(), owner, place) }),
    onFailure: (reason) => {
      const log = logEntry(`${aliasOf(place)} was ended: ${reason}`, "BRIDGE", "ERROR");
      void Promise.all(outputs).then(() => {
        results.push({
          logs: [wireLog(log)],
          status: { state: HostedRunStatus_State.INTERNAL_FAILURE },
        });
        results.end();
      });
    },
  });
  try {
    for await (const result of results.read(signal)) {
      yield create(HostedRunResultSchema, { runId: revision.id, ...result });
    }
  } finally {
    scheduler.runs.end(app, "its caller has left");
  }
}

function functionFacts({ image }: Definition): FunctionFacts | undefined {
  const dockerfile = image["dockerfile_str"];
  return typeof dockerfile === "string" ? readFunctionFacts(dockerfile) : undefined;
}

/** The name that a run asks for, if no app has it; otherwise one of its own. */
async function placeOfRun(
  { database, scheduler }: ControlServiceParts,
  { applicationName, environmentName }: HostedRun,
  facts: FunctionFacts | undefined,
): Promise<Place> {
  const suffix = randomBytes(4).toString("hex");
  const word = (facts?.name ?? "app").replaceAll(/[^A-Za-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  const name =
    applicationName ??
    aliasOf({
      app: `${(word === "" ? "app" : word).slice(0, 60)}-run-${suffix}`,
      environment: environmentName ?? MAIN_ENVIRONMENT,
    });
  const place = await validPlace(database, name, environmentName);
  const isTaken =
    scheduler.find(place.environment, place.app) !== undefined ||
    (await findApp(database, place.environment, place.app)) !== undefined;
  if (isTaken) {
    throw new ConnectError(
      `There is an app ${aliasOf(place)} already: run it under another name.`,
      Code.AlreadyExists,
    );
  }
  return place;
}

/** One runner is there from the beginning to the end. More come with requests. */
function scaleOfRun({ machineRequirements = undefined }: HostedRun, isFunction: boolean): Scale {
  const scale = scaleWith({ ...DEFAULT_SCALE, minConcurrency: 1 }, machineRequirements ?? {});
  const hasLimit = isFunction && machineRequirements?.requestTimeout !== undefined;
  return {
    ...scale,
    minConcurrency: Math.max(1, scale.minConcurrency),
    requestTimeoutSeconds: scale.requestTimeoutSeconds + (hasLimit ? EXTRA_SECONDS : 0),
  };
}

/** Passes the output of a runner on until it ends. */
async function forwardOutput(
  { logs }: ControlServiceParts,
  runner: LiveRunner,
  signal: AbortSignal,
  tell: (log: LogEntry) => void,
): Promise<void> {
  while (runner.state === "starting" && !logs.isWatched(runner.id) && !signal.aborted) await delay(OUTPUT_MS);
  for await (const { message, stream, micros } of logs.follow(runner.id, -Infinity, signal, OUTPUT_MS)) {
    tell({
      message,
      source: "USER",
      level: stream === "stdout" ? "STDOUT" : "STDERR",
      timestamp: new Date(micros / 1_000),
    });
  }
}
