import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { IronbridgeError } from "../../../core/mod.ts";
import { type FakeIptables, fakeIptables, fakeNft } from "../../../linux/mod.ts";
import type { Backend } from "../../../proxy/backend.ts";
import { iptablesBackend } from "../../../proxy/iptables-backend.ts";
import { nftablesBackend } from "../../../proxy/nftables-backend.ts";
import type { ServicePort, Target } from "../../../proxy/service-port.ts";
import { IPV4, servicePort } from "./cluster.ts";

/** Few of everything, so that Services meet at the same addresses, node ports and endpoints. */
const target = fc
  .integer({ min: 1, max: 4 })
  .map((n): Target => ({ address: `10.244.${n % 2}.${n}`, port: 8080, near: n < 3, weight: n === 1 ? 2 : 1 }));
const targets = fc.uniqueArray(target, { selector: ({ address }) => address, maxLength: 3 });
const policy = fc.constantFrom("cluster" as const, "local" as const);

const port = fc
  .record({
    protocol: fc.constantFrom("tcp" as const, "udp" as const),
    clusterIp: fc.constantFrom("10.96.0.1", "10.96.0.2", "10.97.0.1"),
    externalIps: fc.subarray(["198.51.100.1"]),
    loadBalancerIps: fc.subarray(["192.168.1.100", "192.168.1.101"]),
    sourceRanges: fc.option(fc.subarray(["10.0.0.0/8", "192.0.2.1"]), { nil: undefined }),
    nodePort: fc.constantFrom(0, 30001, 30002),
    internalPolicy: policy,
    externalPolicy: policy,
    affinitySeconds: fc.constantFrom(0, 0, 30, 60),
    cluster: targets,
  })
  .map(({ sourceRanges, ...rest }): ServicePort => {
    const local = rest.cluster.filter(({ near }) => near);
    return servicePort({ ...rest, local, guarded: [rest.clusterIp], ...(sourceRanges && { sourceRanges }) });
  });

/** One step: a Service of this name and age is from now on so, or gone; a sync may follow or more steps first. */
const step = fc.record({
  name: fc.constantFrom("a", "b", "c"),
  ports: fc.array(port, { maxLength: 2 }),
  addresses: fc.option(fc.subarray(["192.168.1.11", "192.168.1.12"]), { nil: undefined }),
  sync: fc.boolean(),
});
const CREATED: Record<string, number> = { a: 2, b: 1, c: 1 };

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function take(backend: Backend, { name, ports, addresses }: Step): void {
  backend.replace(
    { key: name, created: CREATED[name]! },
    ports.map((port, i) => ({ ...port, name: `shop/${name}:port${i}` })),
  );
  if (addresses !== undefined) backend.setNodeAddresses(addresses);
}

/** What the steps lead to when only their end counts. */
async function fromScratch(backend: Backend, steps: readonly Step[]): Promise<void> {
  const last = new Map(steps.map((step) => [step.name, step]));
  const addresses = steps.findLast((step) => step.addresses !== undefined)?.addresses;
  for (const step of last.values()) take(backend, { ...step, addresses });
  await backend.check();
  await backend.write();
}

async function stepByStep(backend: Backend, steps: readonly Step[]): Promise<void> {
  await backend.check();
  for (const step of steps) {
    take(backend, step);
    if (step.sync) await backend.write();
  }
  await backend.write();
}

vi.setConfig({ testTimeout: 20_000 }); // the machine may be busy

const steps = fc.array(step, { minLength: 1, maxLength: 8 });

describe("nftablesBackend()", () => {
  test("writes step by step what it would write from scratch", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const [stepped, fresh] = [fakeNft(), fakeNft()];
        const backend = nftablesBackend(stepped, IPV4);
        await stepByStep(backend, list);
        await backend.check(); // chains nobody uses any more are removed with a check
        await backend.write();
        await fromScratch(nftablesBackend(fresh, IPV4), list);
        expect(stepped.dump()).toBe(fresh.dump());
      }),
      { numRuns: 80 },
    );
  });

  test("writes nothing when it starts again over what it has written", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const nft = fakeNft();
        await fromScratch(nftablesBackend(nft, IPV4), list);
        const before = nft.applied.length;
        await fromScratch(nftablesBackend(nft, IPV4), list);
        expect(nft.applied.length).toBe(before);
      }),
      { numRuns: 100 },
    );
  });

  test("comes from any state to any other, whatever was refused on the way", async () => {
    await fc.assert(
      fc.asyncProperty(steps, steps, async (first, second) => {
        const [nft, fresh] = [fakeNft(), fakeNft()];
        await fromScratch(nftablesBackend(nft, IPV4), first);
        let refusing = false;
        const apply = async (script: string) => {
          if (refusing) throw new IronbridgeError("IB_KERNEL_REFUSED", "refused by the test");
          await nft.apply(script);
        };
        const backend = nftablesBackend({ ...nft, apply }, IPV4);
        await fromScratch(backend, second);
        refusing = true;
        for (const step of first) take(backend, step);
        await backend.write().catch(() => {}); // the refusal asked for
        refusing = false;
        for (const step of [...first.map((step) => ({ ...step, ports: [] })), ...second]) take(backend, step);
        await backend.check();
        await backend.write();
        await backend.check();
        await backend.write();
        const last = [...first.map((step) => ({ ...step, ports: [] })), ...second];
        await fromScratch(nftablesBackend(fresh, IPV4), last);
        expect(nft.dump()).toBe(fresh.dump());
      }),
      { numRuns: 100 },
    );
  });
});

describe("iptablesBackend()", () => {
  test("writes step by step what it would write from scratch", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const [stepped, fresh] = [fakeIptables("ipv4"), fakeIptables("ipv4")];
        await stepByStep(iptablesBackend(stepped, IPV4), list);
        await fromScratch(iptablesBackend(fresh, IPV4), list);
        expect(withoutJumpOrder(stepped.dump())).toBe(withoutJumpOrder(fresh.dump()));
      }),
      { numRuns: 80 },
    );
  });

  test("writes nothing when it starts again over what it has written", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const iptables = fakeIptables("ipv4");
        await fromScratch(iptablesBackend(iptables, IPV4), list);
        const before = iptables.restored.length;
        await fromScratch(iptablesBackend(iptables, IPV4), list);
        expect(iptables.restored.slice(before)).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  test("comes back from an emptied table", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const [iptables, fresh] = [fakeIptables("ipv4"), fakeIptables("ipv4")];
        const backend = iptablesBackend(iptables, IPV4);
        await fromScratch(backend, list);
        expect((await backend.inspect()).condition).toBe("touched");
        await emptyNat(iptables);
        expect((await backend.inspect()).condition).toBe("broken");
        expect(await backend.check()).toBeGreaterThan(0);
        await backend.write();
        await fromScratch(iptablesBackend(fresh, IPV4), list);
        expect(withoutJumpOrder(iptables.dump())).toBe(withoutJumpOrder(fresh.dump()));
      }),
      { numRuns: 50 },
    );
  });
});

/** What `iptables -t nat -F` does. */
async function emptyNat(iptables: FakeIptables): Promise<void> {
  const chains = [...(await iptables.save("nat")).matchAll(/^:(\S+) /gm)];
  await iptables.restore(["*nat", ...chains.map(([, name]) => `-F ${name}`), "COMMIT", ""].join("\n"));
}

/** Where two jumps of ours are in one builtin chain their order says nothing. */
function withoutJumpOrder(dump: string): string {
  return dump.split("\n").sort().join("\n");
}
