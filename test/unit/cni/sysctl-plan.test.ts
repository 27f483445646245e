import { beforeEach, expect, test } from "vitest";
import { sysctlKeeper } from "../../../cni/sysctl-plan.ts";
import { parsePrefix } from "../../../net/mod.ts";

const PREFIXES = ["10.244.1.0/24", "fd00:244:1::/64"].map(parsePrefix);
let values: Map<string, string>;
let written: string[];

beforeEach(() => {
  written = [];
  values = new Map([
    ["net/ipv4/ip_forward", "0"],
    ["net/ipv4/neigh/default/gc_thresh1", "128"],
    ["net/ipv4/neigh/default/gc_thresh2", "512"],
    ["net/ipv4/neigh/default/gc_thresh3", "16384"],
  ]);
});

const keeper = () =>
  sysctlKeeper({
    readSysctl: (key) => values.get(key),
    listSysctls: (directory) => (directory === "net/ipv6/conf" ? ["all", "eth0", "ironbr0"] : []),
    writeSysctl: (key, value) => {
      written.push(`${key}=${value}`);
      values.set(key, value);
    },
  });

test("sysctlKeeper() writes what differs once, and the node forwards", () => {
  const keep = keeper();
  expect(keep(PREFIXES)).toEqual([]);
  expect(values.get("net/ipv4/ip_forward")).toBe("1");
  written = [];
  expect(keep(PREFIXES)).toEqual([]);
  expect(written).toEqual([]);
});

test("sysctlKeeper() puts back what another program changed, and says so until it is left alone", () => {
  const keep = keeper();
  keep(PREFIXES);
  values.set("net/ipv4/ip_forward", "0");
  expect(keep(PREFIXES)).toEqual(["another program set net/ipv4/ip_forward to 0; it is 1 again, which pods need"]);
  expect(values.get("net/ipv4/ip_forward")).toBe("1");
  expect(keep(PREFIXES)).toEqual([]);
});

test("sysctlKeeper() keeps eth0 listening to routers before it forwards, and the bridge never", () => {
  for (const name of ["eth0", "ironbr0"]) {
    values.set(`net/ipv6/conf/${name}/forwarding`, "0").set(`net/ipv6/conf/${name}/accept_ra`, "1");
  }
  keeper()(PREFIXES);
  const order = ["ironbr0/accept_ra=0", "eth0/accept_ra=2", "all/forwarding=1"].map((text) => `net/ipv6/conf/${text}`);
  expect(written.filter((text) => order.includes(text))).toEqual(order);
  expect(values.get("net/ipv6/conf/ironbr0/accept_ra")).toBe("0");
});

test("sysctlKeeper() touches no setting of IPv6 for pods of IPv4 alone", () => {
  keeper()(PREFIXES.slice(0, 1));
  expect(written.filter((text) => text.startsWith("net/ipv6"))).toEqual([]);
});

test("sysctlKeeper() makes room for neighbours where there is less, and leaves what there is none of", () => {
  keeper()(PREFIXES);
  const found = [1, 2, 3].map((n) => values.get(`net/ipv4/neigh/default/gc_thresh${n}`));
  expect(found).toEqual(["1024", "4096", "16384"]);
  expect(values.has("net/ipv6/neigh/default/gc_thresh1")).toBe(false);
});
