import { afterAll, beforeAll, expect, test } from "vitest";
import {
  assemble,
  exec,
  exit,
  hasErrno,
  loadEbpfProgram,
  move,
  type Netns,
  openRtnetlink,
  type Rtnetlink,
} from "../../linux/mod.ts";
import { createNamespaces } from "./support/linux-namespaces.ts";

let netns: Netns;
let remove: () => Promise<void>;
let kernel: Rtnetlink;

beforeAll(async () => {
  ({ a: netns, remove } = await createNamespaces());
  kernel = openRtnetlink(netns);
});
afterAll(async () => {
  kernel.close();
  await remove();
});

const tc = (...args: readonly string[]) => exec("tc", args, { netns });

/** Runs a program that leaves every packet alone, and keeps no hold of it. */
function filter(ifindex: number, name: string): void {
  const program = loadEbpfProgram(name, assemble([move(0, -1), exit()]), "GPL");
  try {
    kernel.filterIngress(ifindex, program);
  } finally {
    program.close();
  }
}

/** The names of the programs that run on what comes in by the link. */
async function programsOn(link: string): Promise<string[]> {
  const filters = await tc("filter", "show", "dev", link, "ingress");
  return [...filters.matchAll(/direct-action .* name (\w+)/g)].map(([, name]) => name!);
}

test("filterIngress() puts a program in place of the one before, which goes on without this process", async () => {
  const { index: ifindex } = kernel.createIfb({ name: "ifb-a", mtu: 1500 });
  expect(kernel.hasIngressFilter(ifindex)).toBe(false);
  filter(ifindex, "first");
  expect(await programsOn("ifb-a")).toEqual(["first"]);
  filter(ifindex, "second");
  expect(await programsOn("ifb-a")).toEqual(["second"]);
  expect(kernel.hasIngressFilter(ifindex)).toBe(true);
  kernel.unfilterIngress(ifindex);
  expect([kernel.hasIngressFilter(ifindex), await programsOn("ifb-a")]).toEqual([false, []]);
  kernel.unfilterIngress(ifindex);
});

test("filters of others have their turn before, and stay", async () => {
  const { index: ifindex } = kernel.createIfb({ name: "ifb-b", mtu: 1500 });
  await tc("qdisc", "add", "dev", "ifb-b", "clsact");
  await tc("filter", "add", "dev", "ifb-b", "ingress", "u32", "match", "u32", "0", "0", "flowid", "1:1");
  expect(kernel.hasIngressFilter(ifindex)).toBe(false);
  kernel.unfilterIngress(ifindex);
  filter(ifindex, "ours");
  const kinds = async () => (await tc("filter", "show", "dev", "ifb-b", "ingress")).match(/(?<= )(u32|bpf)(?= chain)/g);
  expect(new Set(await kinds())).toEqual(new Set(["u32", "bpf"]));
  expect((await kinds())?.[0]).toBe("u32");
  kernel.unfilterIngress(ifindex);
  expect(new Set(await kinds())).toEqual(new Set(["u32"]));
});

test("a link that is gone runs nothing: it is no error to end that, but to begin", async () => {
  const { index: ifindex } = kernel.createIfb({ name: "ifb-c", mtu: 1500 });
  filter(ifindex, "short");
  kernel.deleteLink(ifindex);
  expect(kernel.hasIngressFilter(ifindex)).toBe(false);
  kernel.unfilterIngress(ifindex);
  expect(() => filter(ifindex, "late")).toThrow(expect.toSatisfy((error: unknown) => hasErrno(error, "ENODEV")));
});
