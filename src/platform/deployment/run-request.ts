import type { MessageInitShape } from "@bufbuild/protobuf";
import { healthCheck, imageOf, type Deployment } from "./deploy-request.ts";
import { environmentField } from "../apps/alias-name.ts";
import type { SyncedFile } from "../files/sync.ts";
import {
  ApplicationAuthMode,
  type BuildEnvironmentRequestSchema,
  type HostedRunSchema,
} from "../generated/controller_pb.ts";
import { buildRequirements, machineRequirements } from "../apps/machine-requirements.ts";
import { omitUndefined } from "../../settings/defined-fields.ts";

/** A container that listens on a port, to run until the caller stops it. */
export type EphemeralApp = Pick<
  Deployment,
  "image" | "machine" | "environment" | "secrets" | "dataMounts" | "healthCheck" | "noCache"
>;

/** The two requests of a run. */
export interface RunRequests {
  readonly build: MessageInitShape<typeof BuildEnvironmentRequestSchema>;
  readonly run: MessageInitShape<typeof HostedRunSchema>;
}

/**
 * The requests that build an image and run it. The app has no name, and its owner alone may call it.
 * @param synced the files that the image is built from
 */
export function runRequests(app: EphemeralApp, synced: readonly SyncedFile[]): RunRequests {
  const { machine = {}, environment, secrets } = app;
  const shared = {
    files: synced.map(({ hash, relativePath }) => ({ hash, relativePath })),
    ...environmentField(environment),
    ...(secrets === undefined ? {} : { secrets: { names: [...secrets] } }),
  };
  const container = { kind: "container", configuration: { image: imageOf(app) } };
  return {
    build: {
      ...shared,
      environments: [{ ...container, force: app.noCache ?? false }],
      machineRequirements: buildRequirements(machine),
    },
    run: {
      ...shared,
      environments: [container],
      machineRequirements: machineRequirements(machine),
      // The protocol's default is public.
      authMode: ApplicationAuthMode.PRIVATE,
      buildEnvironment: false,
      dataMounts: [...(app.dataMounts ?? [])],
      ...omitUndefined({ healthCheckConfig: healthCheck(app.healthCheck) }),
    },
  };
}
