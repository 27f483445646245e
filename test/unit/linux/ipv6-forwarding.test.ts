import { expect, test } from "vitest";
import { ipv6ForwardingSettings } from "../../../linux/mod.ts";

const kernelWith = (interfaces: Readonly<Record<string, { forwarding: string; accept_ra: string }>>) => ({
  listSysctls: (directory: string) => (directory === "net/ipv6/conf" ? Object.keys(interfaces) : []),
  readSysctl: (key: string) => {
    const [name = "", setting] = key.split("/").slice(3);
    return interfaces[name]?.[setting as "forwarding" | "accept_ra"];
  },
});

test("ipv6ForwardingSettings() lets interfaces go on that listen to routers, before the node becomes one", () => {
  const kernel = kernelWith({
    all: { forwarding: "0", accept_ra: "1" },
    default: { forwarding: "0", accept_ra: "1" },
    eth0: { forwarding: "0", accept_ra: "1" },
    "eth0.100": { forwarding: "0", accept_ra: "1" },
    told: { forwarding: "0", accept_ra: "0" },
    always: { forwarding: "0", accept_ra: "2" },
    router: { forwarding: "1", accept_ra: "1" },
  });
  expect(ipv6ForwardingSettings(kernel)).toEqual([
    ["net/ipv6/conf/eth0/accept_ra", "2"],
    ["net/ipv6/conf/eth0.100/accept_ra", "2"],
    ["net/ipv6/conf/all/forwarding", "1"],
  ]);
});
