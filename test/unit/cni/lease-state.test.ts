import { expect, test } from "vitest";
import { hostLinkName } from "../../../cni/attachment.ts";
import { printLease } from "../../../cni/lease-state.ts";
import type { Lease } from "../../../cni/lease-store.ts";
import { parseAddress } from "../../../net/mod.ts";

const key = { containerId: "c1", ifname: "eth0" };
const lease: Lease = {
  key,
  network: "ironbridge",
  netns: "/run/netns/c1",
  hostPorts: [],
  addresses: ["10.244.1.7", "fd00:244:1::7"].map(parseAddress),
  complete: true,
};

test("printLease() says who has which addresses, and since when", () => {
  const pod = { namespace: "shop", name: "web-0", uid: "u1" };
  expect(printLease({ ...lease, pod, since: "2026-11-21T20:00:00Z" })).toEqual({
    addresses: ["10.244.1.7", "fd00:244:1::7"],
    pod: "shop/web-0",
    container: "c1",
    interface: "eth0",
    link: hostLinkName(key),
    since: "2026-11-21T20:00:00Z",
  });
});

test("printLease() leaves out what nobody told, and names the link that the pod has", () => {
  const printed = printLease({ ...lease, link: "veth1234" });
  expect(printed).toMatchObject({ link: "veth1234", container: "c1" });
  expect(Object.keys(printed)).not.toEqual(expect.arrayContaining(["pod"]));
  expect(Object.keys(printed)).not.toEqual(expect.arrayContaining(["since"]));
});
