import { userInfo } from "node:os";
import { resolve } from "node:path";
import { stateDirectory } from "./state-directory.ts";

/** Time for the platform to end: its runners finish their requests first, in seconds. */
const STOP_SECONDS = 90;

/** The parts of a unit. */
export interface UnitOptions {
  /** The arguments of `servable up`, without those that only concern this call. */
  readonly args: readonly string[];
  readonly state: string | undefined;
  readonly keepRunners: boolean;
  /** Default: this process's. */
  readonly node?: string;
  readonly program?: string;
  readonly user?: string;
}

/** A unit of systemd that runs the platform with these arguments. */
export function systemdUnit(options: UnitOptions): string {
  const { args, state, keepRunners, node = process.execPath, program = process.argv[1] ?? "" } = options;
  const { user = userInfo().username } = options;
  const command = [node, resolve(program), ...args, "--log-format", "json"];
  return `[Unit]
Description=Servable platform
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
User=${user}
Environment=SERVABLE_STATE_DIR=${escaped(stateDirectory(state))}
ExecStart=${command.map(escaped).join(" ")}
Restart=on-failure
RestartSec=2
TimeoutStopSec=${STOP_SECONDS}
# The platform ends its runners and its database itself${keepRunners ? ", or keeps them" : ""}.
KillMode=${keepRunners ? "process" : "mixed"}
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
`;
}

/** An argument as systemd reads it. */
function escaped(text: string): string {
  const plain = text.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w@%+=:,./$-]+$/.test(plain) ? plain : `"${plain.replaceAll(/["\\]/g, "\\$&")}"`;
}
