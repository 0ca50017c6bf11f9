import { ServerlessClient } from "../../src/platform/serverless-client.ts";
import { ControlPlane, type ControlPlaneScripts } from "./control-plane.ts";

/** Runs an action with a client and its own control plane, which answers by the scripts. */
export async function withClient(
  grpc: ControlPlaneScripts,
  work: (client: ServerlessClient, plane: ControlPlane) => Promise<void>,
): Promise<void> {
  await using plane = await ControlPlane.start({ grpc });
  using client = new ServerlessClient({ environment: plane.environment });
  await work(client, plane);
}

/** Method and message of each call, in order. */
export function sent(plane: ControlPlane): unknown[] {
  return plane.calls.map(({ method, json }) => [method, json]);
}
