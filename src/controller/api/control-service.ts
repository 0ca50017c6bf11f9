import type { ConnectRouter } from "@connectrpc/connect";
import { IsolateController } from "../../platform/generated/controller_pb.ts";
import { accountMethods } from "./account-methods.ts";
import { appMethods } from "./app-methods.ts";
import { DeployMethods } from "./deploy-methods.ts";
import { runMethods } from "./run-methods.ts";
import { runnerMethods } from "./runner-methods.ts";
import type { ControlServiceParts } from "./service-parts.ts";
import { shellMethods } from "./shell-methods.ts";

/** The control plane's service. */
export function controlService(parts: ControlServiceParts): (router: ConnectRouter) => void {
  return (router) =>
    router.service(IsolateController, {
      ...new DeployMethods(parts).methods(),
      ...appMethods(parts),
      ...runMethods(parts),
      ...runnerMethods(parts),
      ...shellMethods(parts),
      ...accountMethods(parts),
    });
}
