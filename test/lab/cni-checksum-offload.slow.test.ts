import { afterEach, beforeEach, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { WORKER } from "../support/worker.ts";
import { breakChecksumsTo } from "./support/checksum-fault.ts";
import { type CniLab, type CniNode, createCniLab } from "./support/cni-lab.ts";
import { countDatagrams, counted, ENDS, offloaded, start } from "./support/offload.ts";

let lab: CniLab;

/** A device of its own for each test: what is off stays off for its life. */
beforeEach(async () => {
  lab = await createCniLab(`offload${WORKER}`);
});
afterEach(() => lab.remove());

/** As `ethtool -K ironvx0 tx on` does: SIOCETHTOOL with ETHTOOL_STXCSUM. */
async function switchOn(node: CniNode): Promise<void> {
  const program = [
    "import array, fcntl, socket, struct",
    "value = array.array('I', [0x17, 1])",
    "request = struct.pack('16sP16x', b'ironvx0', value.buffer_info()[0])",
    "fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8946, request)",
  ];
  await node.run("python3", "-c", program.join("; "));
}

test.each(["ipv4", "ipv6"] as const)(
  "one direction of one family is enough: %s",
  { timeout: 90_000 },
  async (family) => {
    const { node1, node2 } = lab;
    await breakChecksumsTo(node2, [ENDS[family]]);
    await start(node1, node2);
    await waitFor("node1 to make checksums itself", () => !offloaded(node1), { deadline: 40_000 });
    expect(offloaded(node2)).toBe(true);
  },
);

test("switched on by hand, it is tried again, and is off again", { timeout: 120_000 }, async () => {
  const { node1, node2 } = lab;
  await breakChecksumsTo(node2, [ENDS.ipv4]);
  await start(node1, node2);
  await waitFor("node1 to make checksums itself", () => !offloaded(node1), { deadline: 40_000 });
  await switchOn(node1);
  expect(offloaded(node1)).toBe(true);
  await waitFor("node1 to try again and find the same", () => !offloaded(node1), { deadline: 60_000 });
});

test("a node that does not answer changes nothing, and is asked again at once when it is there", {
  timeout: 60_000,
}, async () => {
  const { node1, node2 } = lab;
  await countDatagrams(node1);
  await start(node1);
  await waitFor("three rounds", async () => Math.min(...(await counted(node1))) >= 6, { deadline: 30_000 });
  expect(offloaded(node1)).toBe(true);
  await breakChecksumsTo(node2, [ENDS.ipv4]);
  await start(node2);
  await waitFor("node1 to make checksums itself", () => !offloaded(node1), { deadline: 30_000 });
});
