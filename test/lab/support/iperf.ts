import { exec } from "../../../linux/mod.ts";
import { waitFor } from "../../support/wait.ts";

const PORT = "5201";

/**
 * Bits per second of TCP payload that arrive from the namespace `sender`, whose address is given, and in the first second
 * of them. The receiver counts and is the client.
 */
export async function measureRate(sender: string, receiver: string, address: string, seconds: number) {
  const run = (netns: string, ...command: readonly string[]) => exec("ip", ["netns", "exec", netns, ...command]);
  const server = run(sender, "iperf3", "-s", "-1", "-p", PORT);
  const listens = async () => (await run(sender, "ss", "-Hltn")).includes(`:${PORT} `);
  await waitFor("iperf3 to listen", listens, { deadline: 10_000 });
  const text = await run(receiver, "iperf3", "-J", "-R", "-t", String(seconds), "-p", PORT, "-c", address);
  await server;
  const { end, intervals } = JSON.parse(text);
  return { rate: end.sum_received.bits_per_second as number, first: intervals[0].sum.bits_per_second as number };
}
