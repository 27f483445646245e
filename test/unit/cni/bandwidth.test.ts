import { describe, expect, test } from "vitest";
import { hostLinkName } from "../../../cni/attachment.ts";
import {
  applyBandwidth,
  bandwidthProblems,
  isShaperLinkName,
  shaperLinkName,
  tokenBucket,
} from "../../../cni/bandwidth.ts";
import { fakeRtnetlink } from "../../../linux/mod.ts";

const KEY = { containerId: "c1", ifname: "eth0" };
const UNLIMITED = 2 ** 32 - 1;

describe("tokenBucket()", () => {
  test.each([
    { name: "cuts a kubelet's burst to a tenth of a second", rate: 1e9, burst: UNLIMITED, want: 12_500_000 },
    { name: "leaves room for one frame as the kernel hands it over", rate: 1e6, burst: UNLIMITED, want: 65_536 },
    { name: "leaves room for ten packets of a large MTU", rate: 1e6, burst: UNLIMITED, mtu: 9000, want: 90_000 },
    { name: "takes a smaller burst as it is", rate: 1e9, burst: 80_000, want: 10_000 },
    { name: "lets one packet pass whatever was asked", rate: 1e3, burst: 1, want: 1518 },
  ])("$name", ({ rate, burst, mtu = 1500, want }) => {
    const bucket = tokenBucket({ rate, burst }, mtu);
    expect(bucket).toEqual({ rate: rate / 8, burst: want, limit: Math.floor((rate / 8) * 0.025) + want });
  });
});

test("applyBandwidth() limits both ways, and bandwidthProblems() sees what has gone", () => {
  const kernel = fakeRtnetlink();
  const peer = { name: "eth0", netns: { fd: -1, path: "/run/netns/p", close() {} } };
  const { index } = kernel.createVeth({ name: hostLinkName(KEY), mtu: 1500, peer });
  const limit = { rate: 8e6, burst: 8e5 };
  const shaper = applyBandwidth(kernel, KEY, { index, mtu: 1500 }, { ingress: limit, egress: limit })?.index;
  expect(kernel.qdiscs(index)).toEqual([{ kind: "tbf", rate: 1e6 }, { kind: "ingress" }]);
  expect(kernel.qdiscs(shaper!)).toEqual([{ kind: "tbf", rate: 1e6 }]);
  expect(kernel.link(shaperLinkName(KEY))).toMatchObject({ index: shaper, up: true, kind: "ifb" });
  expect(bandwidthProblems(kernel, { key: KEY, bandwidth: { egress: limit } })).toEqual([]);
  expect(bandwidthProblems(kernel, { key: KEY, bandwidth: { egress: { ...limit, rate: 16e6 } } })).toHaveLength(1);
  kernel.deleteLink(shaper!);
  expect(bandwidthProblems(kernel, { key: KEY, bandwidth: { egress: limit } })).toEqual([
    `interface ${shaperLinkName(KEY)} is not limited to 8000000 bit/s`,
  ]);
});

test("applyBandwidth() makes no further link for a pod that may send as it likes", () => {
  const kernel = fakeRtnetlink();
  const peer = { name: "eth0", netns: { fd: -1, path: "/run/netns/p", close() {} } };
  const { index } = kernel.createVeth({ name: "v0", mtu: 1500, peer });
  expect(applyBandwidth(kernel, KEY, { index, mtu: 1500 }, { ingress: { rate: 8e6, burst: 8e5 } })).toBeUndefined();
  expect(kernel.links().map(({ name }) => name)).toEqual(["lo", "v0"]);
});

test("shaperLinkName() fits in an interface name and is known again", () => {
  expect(shaperLinkName(KEY)).toHaveLength(15);
  expect(isShaperLinkName(shaperLinkName(KEY))).toBe(true);
  expect(isShaperLinkName("iq-mine")).toBe(false);
});
