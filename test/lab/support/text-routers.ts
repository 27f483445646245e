import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../../support/wait.ts";
import type { RouterHost } from "./frr.ts";

/** Asks a router, which answers in words. */
export type AskRouter = (command: string) => Promise<string>;

const DEADLINE = { deadline: 20_000 };

/** @param config Lines of bird.conf. */
export async function startBird(host: RouterHost, config: readonly string[]): Promise<AskRouter> {
  const file = join(host.directory, "bird.conf");
  const socket = join(host.directory, "bird.ctl");
  writeFileSync(file, `${["router id 192.0.2.1;", "protocol device {}", ...config].join("\n")}\n`);
  host.daemon("bird", "-f", "-c", file, "-s", socket);
  const ask = (command: string) => host.inRouter("birdc", "-s", socket, ...command.split(" "));
  await waitFor("birdc", async () => (await ask("show status")) !== "", DEADLINE);
  return ask;
}

/** @param neighbors GoBGP's own objects. */
export async function startGobgp(host: RouterHost, neighbors: readonly object[]): Promise<AskRouter> {
  const file = join(host.directory, "gobgpd.json");
  writeFileSync(file, JSON.stringify({ global: { config: { as: 64512, "router-id": "192.0.2.1" } }, neighbors }));
  host.daemon("gobgpd", "-t", "json", "-f", file, "--api-hosts", "127.0.0.1:50051");
  const ask = (command: string) => host.inRouter("gobgp", ...command.split(" "));
  await waitFor("gobgp", async () => (await ask("neighbor")) !== "", DEADLINE);
  return ask;
}

/** What `ask` answers once it has all of `parts`. */
export function shows(ask: AskRouter, command: string, ...parts: readonly string[]): Promise<string> {
  const look = async () => {
    const text = await ask(command);
    if (!parts.every((part) => text.includes(part))) throw new Error(text);
    return text;
  };
  return waitFor(`"${command}" with ${parts.join(", ")}`, look, DEADLINE);
}
