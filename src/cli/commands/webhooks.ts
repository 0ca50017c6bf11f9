import type { Command } from "commander";
import { runAction } from "../action.ts";
import { formatOf, printJson, printTable, withOutput } from "../platform/output.ts";
import { platformClient, type SelfHostOptions } from "../self-host/platform-client.ts";

/** A webhook as the platform lists it. */
interface WebhookLine {
  readonly id: string;
  readonly url: string;
  readonly state: "waiting" | "delivered" | "failed";
  readonly nextAt: string | null;
  readonly attempts: readonly {
    readonly attempt: number;
    readonly startedAt: string;
    readonly durationMs: number;
    readonly status: number | null;
    readonly error: string | null;
  }[];
}

/** `servable webhooks`: what was sent for a request, and sending it again. */
export function addWebhooksCommand(program: Command): void {
  const webhooks = program
    .command("webhooks")
    .summary("the webhooks of a request, and their attempts")
    .description(
      "Webhooks that the platform of this machine sends when a queued request has ended: eleven attempts within two hours, until the receiver answers 2xx.",
    )
    .addHelpText(
      "after",
      `
Examples:
  $ servable webhooks list 6e0f3c1a-6c8e-4f5b-9d7a-0c1f2a3b4c5d
  $ servable webhooks retry 0b9f3d52-1c7e-4a44-8a2e-5f0e6d7c8b9a`,
    );
  withPlatform(withOutput(webhooks.command("list <request>")))
    .summary("each webhook with its attempts")
    .description(
      "List the webhooks of a request: each attempt, what the receiver answered, and when the next one is.",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable webhooks list 6e0f3c1a-6c8e-4f5b-9d7a-0c1f2a3b4c5d --json",
    )
    .action((request: string, options: SelfHostOptions) =>
      runAction(options, async () => {
        const { client } = await platformClient(options);
        const path = `/platform/requests/${encodeURIComponent(request)}/webhooks`;
        const found = (await client.json({ method: "GET", path })) as readonly WebhookLine[];
        if (formatOf(options) !== "pretty") return printJson(found);
        if (found.length === 0) return console.log(`The request ${request} has no webhook yet.`);
        for (const webhook of found) printWebhook(webhook);
      }),
    );
  withPlatform(withOutput(webhooks.command("retry <id>"), "print what was done as JSON"))
    .summary("send one again")
    .description(
      "Send a webhook again now, whatever became of it. If it fails, it is repeated like a new one.",
    )
    .addHelpText("after", "\nExamples:\n  $ servable webhooks retry 0b9f3d52-1c7e-4a44-8a2e-5f0e6d7c8b9a")
    .action((id: string, options: SelfHostOptions) =>
      runAction(options, async () => {
        const { client } = await platformClient(options);
        const path = `/platform/webhooks/${encodeURIComponent(id)}/retry`;
        const answer = await client.json({ method: "POST", path, json: {} });
        if (formatOf(options) !== "pretty") return printJson(answer);
        console.log(
          `The webhook ${id} is sent again. "servable webhooks list" shows what the receiver answers.`,
        );
      }),
    );
}

function withPlatform(command: Command): Command {
  return command
    .option("--state <folder>", "the folder of the platform (default: as for servable up)")
    .option("--profile <name>", "the profile with the platform's key (default: local)")
    .option("--debug", "show stacks");
}

function printWebhook({ id, url, state, nextAt, attempts }: WebhookLine): void {
  const next = nextAt === null ? "" : `, next attempt ${new Date(nextAt).toLocaleString()}`;
  console.log(`${id}  ${url}  ${state}${next}`);
  if (attempts.length === 0) return;
  printTable(
    ["Attempt", "At", "ms", "Status", "Error"],
    attempts.map(({ attempt, startedAt, durationMs, status, error }) => [
      attempt,
      new Date(startedAt),
      durationMs,
      status ?? "-",
      error ?? "-",
    ]),
  );
}
