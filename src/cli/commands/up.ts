import { Option, type Command } from "commander";
import { runAction } from "../action.ts";
import { collected } from "../option-values.ts";
import type { UpOptions } from "../self-host/run-platform.ts";
import { PLATFORM_PORT } from "../self-host/state-directory.ts";

/** `servable up`: a platform of one's own on this machine. */
export function addUpCommand(program: Command): void {
  program
    .command("up")
    .summary("start a platform of your own on this machine")
    .description(
      "Start a platform on this machine: a gateway, a control plane, a database and runners that come and go with the " +
        "requests. It needs nothing but Node. A profile with its address and a key is written for the other commands.",
    )
    .option("-p, --port <port>", `the port of the gateway and the control plane (default: ${PLATFORM_PORT})`)
    .option("--host <host>", "the address to listen on (default: 127.0.0.1, for this machine only)")
    .option(
      "--state <folder>",
      "where it keeps everything (default: $SERVABLE_STATE_DIR, else ~/.local/share/servable, for root /var/lib/servable)",
    )
    .option(
      "--database-url <url>",
      "a PostgreSQL of your own (default: $SERVABLE_DATABASE_URL, else one in the folder)",
    )
    .option("--owner <name>", "the first part of the addresses of apps (default: your user name)")
    .option("--profile <name>", "the profile to write (default: local)")
    .option("--tls", "speak HTTPS, with a certificate of an authority of its own")
    .option("--tls-cert <file>", "speak HTTPS with this certificate, in PEM; needs --tls-key")
    .option("--tls-key <file>", "the key of the certificate, in PEM")
    .addOption(
      new Option(
        "--tls-name <name>",
        "a further name or address in the own certificate; can be repeated (always: this machine's)",
      ).argParser(collected),
    )
    .addOption(
      new Option(
        "--engine <engine>",
        "run runners as processes, in containers, or as processes where an app can be one (default: auto)",
      ).choices(["auto", "process", "container"]),
    )
    .option(
      "--gpus <devices>",
      'the devices for runners: a number, or ids such as "0,2" (default: those that nvidia-smi lists)',
    )
    .option("-d, --detach", "run in the background")
    .option("--keep-runners", "keep the runners when the platform stops; the next start takes them over")
    .addOption(
      new Option("--log-format <format>", "how log lines look (default: pretty on a terminal)").choices([
        "pretty",
        "json",
      ]),
    )
    .option("--systemd", "print a unit of systemd that runs it with the other options, and start nothing")
    .option("--debug", "show stacks")
    .addHelpText(
      "after",
      `
Examples:
  $ servable up                       until Ctrl-C
  $ servable up --detach              in the background
  $ servable deploy app.ts            on it, from now on
  $ servable up --systemd > servable.service
  $ servable up --tls --host 0.0.0.0 --tls-name servable.example.com
  $ servable up --host 0.0.0.0 --port 80 --database-url postgres://db.example.com/servable`,
    )
    .action((options: UpOptions) =>
      runAction(options, async () => {
        if (options.systemd === true) {
          const { systemdUnit } = await import("../self-host/systemd-unit.ts");
          const args = process.argv.slice(2).filter((arg) => !/^(?:--systemd|--detach|-d)$/.test(arg));
          const { state, keepRunners = false } = options;
          process.stdout.write(systemdUnit({ args, state, keepRunners }));
          process.stderr.write(
            "Write it to /etc/systemd/system/servable.service, then: systemctl enable --now servable\n",
          );
          return 0;
        }
        if (options.detach === true) {
          const { startDetached } = await import("../self-host/detach.ts");
          const args = process.argv.slice(2).filter((arg) => arg !== "--detach" && arg !== "-d");
          return startDetached(options.state, [...args, "--log-format", "json"]);
        }
        const { runPlatform } = await import("../self-host/run-platform.ts");
        return runPlatform(options);
      }),
    );
}
