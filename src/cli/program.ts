import { Command } from "commander";
import { addAppsCommand } from "./commands/apps.ts";
import { addAuthCommand } from "./commands/auth.ts";
import { addBuildCommand } from "./commands/build.ts";
import { addCacheCommand } from "./commands/cache.ts";
import { addCreateCommand } from "./commands/create.ts";
import { addDeployCommand } from "./commands/deploy.ts";
import { addDoctorCommand } from "./commands/doctor.ts";
import { addDownCommand } from "./commands/down.ts";
import { addEnvCommand } from "./commands/env.ts";
import { addEnvironmentsCommand } from "./commands/environments.ts";
import { addKeysCommand } from "./commands/keys.ts";
import { addLogsCommand } from "./commands/logs.ts";
import { addOpenapiCommand } from "./commands/openapi.ts";
import { addPlatformCommand } from "./commands/platform.ts";
import { addProfileCommand } from "./commands/profile.ts";
import { addQueueCommand } from "./commands/queue.ts";
import { addRunCommand } from "./commands/run.ts";
import { addRunnersCommand } from "./commands/runners.ts";
import { addSecretsCommand } from "./commands/secrets.ts";
import { addStatusCommand } from "./commands/status.ts";
import { addUpCommand } from "./commands/up.ts";
import { addSimulateCommand } from "./commands/simulate.ts";
import { addWebhooksCommand } from "./commands/webhooks.ts";
import { addWhyCommand } from "./commands/why.ts";
import { packageVersion } from "./package-root.ts";
import { styleFor } from "./style.ts";

/** Every command, in the order in which the help lists them. */
const COMMANDS: readonly ((program: Command) => void)[] = [
  addRunCommand,
  addOpenapiCommand,
  addBuildCommand,
  addUpCommand,
  addStatusCommand,
  addWebhooksCommand,
  addWhyCommand,
  addSimulateCommand,
  addLogsCommand,
  addDownCommand,
  addPlatformCommand,
  addDeployCommand,
  addAppsCommand,
  addRunnersCommand,
  addQueueCommand,
  addSecretsCommand,
  addEnvironmentsCommand,
  addKeysCommand,
  addProfileCommand,
  addAuthCommand,
  addCreateCommand,
  addDoctorCommand,
  addEnvCommand,
  addCacheCommand,
];

/** The whole command line. Each command loads its modules when it runs. */
export function createProgram(): Command {
  const { bold, cyan } = styleFor(process.stdout);
  const { red } = styleFor(process.stderr);
  const program = new Command("servable")
    .description("Serve a TypeScript class: validated HTTP endpoints, streams and docs.")
    .version(packageVersion(), "-v, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    // Options after a command belong to that command: "runners exec" forwards them.
    .enablePositionalOptions()
    .helpCommand("help [command]", "print the help of a command")
    .configureHelp({ styleTitle: bold, styleCommandText: cyan, styleSubcommandText: cyan })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, red("error:"))) })
    .addHelpText(
      "after",
      `
Examples:
  $ servable create my-app         a new project to start from
  $ servable run app.ts --watch    serve it, and restart on changes
  $ servable openapi app.ts        its OpenAPI document
  $ servable build app.ts          its container image
  $ servable up --detach           a platform of your own, on this machine
  $ servable deploy app.ts         deploy it
  $ servable doctor app.ts         find out what is wrong`,
    );
  for (const add of COMMANDS) add(program);
  program.showHelpAfterError("(servable --help shows how)");
  for (const command of program.commands) {
    command.showHelpAfterError(`(servable ${command.name()} --help shows how)`);
  }
  return program;
}
