import { spawn } from "node:child_process";
import { waitFor } from "../../support/wait.ts";

/** What tcpdump reads of the first `count` packets that match `expression`, on an interface of a namespace, while `act` goes on. */
export async function tcpdump(
  { netns, device, count }: { readonly netns: string; readonly device: string; readonly count: number },
  expression: string,
  act: () => Promise<unknown>,
): Promise<string> {
  const args = ["-i", device, "-n", "-vv", "-e", "-l", "-c", `${count}`, expression];
  const dump = spawn("ip", ["netns", "exec", netns, "tcpdump", ...args]);
  let [text, told] = ["", ""];
  dump.stdout.on("data", (chunk) => (text += chunk));
  dump.stderr.on("data", (chunk) => (told += chunk));
  let ended = false;
  dump.once("close", () => {
    ended = true;
  });
  await waitFor("tcpdump to listen", () => told.includes("listening on"), { deadline: 5000 });
  await act();
  await waitFor(`${count} packets of ${expression}`, () => ended, { deadline: 10_000 });
  return text;
}
