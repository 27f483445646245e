import { afterAll, beforeAll, expect, test } from "vitest";
import { exec, openConntrack, openNft } from "../../linux/mod.ts";
import { parseAddress } from "../../net/mod.ts";
import { createNamespaces } from "./support/linux-namespaces.ts";

const UDP = 17;
let namespaces: Awaited<ReturnType<typeof createNamespaces>>;

beforeAll(async () => {
  namespaces = await createNamespaces();
  // Connections are tracked only where a rule asks about them.
  const nft = await openNft(namespaces.a);
  await nft.apply("table inet t { chain c { type filter hook output priority 0; ct state new accept; }; }");
  nft.close();
});
afterAll(() => namespaces.remove());

/** Sends a datagram within namespace a; nobody has to be there. */
async function send(host: string, port: number): Promise<void> {
  await exec("bash", ["-c", `echo x >/dev/udp/${host}/${port}`], { netns: namespaces.a });
}

test.each([
  { family: "ipv4", host: "127.0.0.1" },
  { family: "ipv6", host: "::1" },
] as const)("openConntrack() lists and removes flows to one port, $family", async ({ family, host }) => {
  const conntrack = openConntrack(namespaces.a);
  for (const port of [5000, 5000, 5001]) await send(host, port);
  const to = (destinationPort: number) => conntrack.flows({ family, protocol: UDP, destinationPort });
  const flows = to(5000);
  const here = parseAddress(host);
  expect(flows).toHaveLength(2);
  for (const { protocol, original, reply } of flows) {
    expect([protocol, original.destinationPort, reply.sourcePort]).toEqual([UDP, 5000, 5000]);
    expect([original.source, original.destination, reply.source, reply.destination]).toEqual([here, here, here, here]);
    expect(original.sourcePort).toBe(reply.destinationPort);
  }
  for (const flow of flows) conntrack.remove(flow);
  expect(to(5000)).toEqual([]);
  expect(to(5001)).toHaveLength(1);
  conntrack.remove(flows[0]!); // gone already
  conntrack.close();
});
