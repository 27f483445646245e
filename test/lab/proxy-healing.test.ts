import { spawn, spawnSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { kernelOf, removeKubeProxy, removeRules } from "../../proxy/mod.ts";
import { waitFor } from "../support/wait.ts";
import {
  createProxyLab,
  HOMES,
  type Home,
  homeKernel,
  NODE_NETNS,
  type ProxyLab,
  podSlice,
  type RunningProxy,
  sortedRules,
  webService,
} from "./support/proxy-lab.ts";

const VIP = "192.168.1.100";

let lab: ProxyLab;
let running: RunningProxy | undefined;

beforeAll(async () => {
  lab = await createProxyLab();
  lab.stores.services.set(webService());
  lab.stores.slices.set(podSlice("ipv4", { pod2: {}, pod3: {} }));
  lab.stores.slices.set(podSlice("ipv6", { pod2: {}, pod3: {} }));
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  await removeRules(kernelOf(lab.netns));
  await lab.run("nft", "flush", "ruleset"); // rules of others, which a test made
});
afterAll(() => lab.remove());

/** What kube-proxies of all modes leave behind, as far as it matters, with a chain that is the kubelet's. */
const KUBE_PROXY = `
sysctl -qw net.ipv4.ip_forward=1
for variant in nft legacy; do iptables-$variant-restore --noflush <<'END'
*mangle
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-PROXY-CANARY - [0:0]
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]
:KUBE-SEP-OEZGXQ3MGKPBOIN7 - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-NPX46M4PTMTKRN6Y
-A KUBE-SVC-NPX46M4PTMTKRN6Y -j KUBE-SEP-OEZGXQ3MGKPBOIN7
-A KUBE-SEP-OEZGXQ3MGKPBOIN7 -p tcp -m tcp -j DNAT --to-destination 10.244.1.3:8080
COMMIT
END
done
nft 'add table ip kube-proxy; add chain ip kube-proxy services'
ip link add kube-ipvs0 type bridge`;

async function start(home: Home): Promise<RunningProxy> {
  running = await lab.start(home);
  return running;
}

async function isServed(): Promise<boolean> {
  const answer = await lab.hosts.client.ask(VIP, 80, { timeout: 200 });
  return answer.startsWith("pod");
}

/** Runs a program on the node behind this process' back: what it starts with exec() counts as its own doing. */
function byOthers(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", ["netns", "exec", NODE_NETNS, program, ...args], { encoding: "utf8" });
  expect([status, stderr.replace(/^#.*\n/gm, "")]).toEqual([0, ""]);
}

/** Every rule, element and chain of this node. */
async function allRules(): Promise<string> {
  const nft = await lab.run("nft", "list", "ruleset");
  const legacy = await Promise.all(
    ["iptables-legacy-save", "ip6tables-legacy-save"].map((program) => lab.run(program)),
  );
  return sortedRules([nft, ...legacy].join("\n"));
}

describe.each(HOMES)("%s", (home) => {
  const mishaps: Record<Home, Record<string, string[]>> = {
    nftables: {
      "nft flush ruleset": ["nft", "flush", "ruleset"],
      "the table deleted": ["nft", "delete", "table", "ip", "ironbridge-proxy"],
      "the table's rules flushed": ["nft", "flush", "table", "ip", "ironbridge-proxy"],
      "one element deleted": ["nft", `delete element ip ironbridge-proxy services { ${VIP} . tcp . 80 }`],
      "one map flushed": ["nft", "flush", "map", "ip", "ironbridge-proxy", "tcp-endpoints"],
      "one chain flushed": ["nft", "flush", "chain", "ip", "ironbridge-proxy", "tcp-external-2"],
    },
    "iptables-nft": {
      "nft flush ruleset": ["nft", "flush", "ruleset"],
      "iptables -t nat -F": ["iptables-nft", "-t", "nat", "-F"],
      "the jump deleted": ["iptables-nft", "-t", "nat", "-D", "PREROUTING", "-j", "IRON-SERVICES"],
      "one chain flushed": ["iptables-nft", "-t", "nat", "-F", "IRON-SERVICES"],
    },
    "iptables-legacy": {
      "iptables -t nat -F": ["iptables-legacy", "-t", "nat", "-F"],
      "iptables -F": ["iptables-legacy", "-F"],
      "one chain flushed": ["iptables-legacy", "-t", "nat", "-F", "IRON-SERVICES"],
      "the jump deleted": ["iptables-legacy", "-t", "nat", "-D", "PREROUTING", "-j", "IRON-SERVICES"],
    },
  };

  test.each(Object.entries(mishaps[home]))("heals within 2 s: %s", async (_, [program = "", ...args]) => {
    await start(home);
    const before = await allRules();
    expect(await isServed()).toBe(true);
    byOthers(program, ...args);
    await waitFor("the rules to be back", async () => (await allRules()) === before, { deadline: 2000 });
    expect(await isServed()).toBe(true);
  });

  test("writes nothing when it starts again", async () => {
    await (await start(home)).stop();
    const before = await allRules();
    const monitor = spawn("ip", ["netns", "exec", NODE_NETNS, "nft", "monitor"]);
    let seen = "";
    monitor.stdout.on("data", (data) => {
      seen += data;
    });
    // The monitor says nothing when it is ready, so make it say something.
    await waitFor(
      "the monitor",
      async () => {
        await lab.run("nft", "add table ip ib-px-probe; delete table ip ib-px-probe");
        return seen.includes("ib-px-probe");
      },
      { deadline: 2000 },
    );
    seen = "";
    await start(home);
    await lab.run("nft", "add table ip ib-px-end; delete table ip ib-px-end");
    await waitFor("the end", () => seen.includes("ib-px-end"), { deadline: 2000 });
    monitor.kill();
    const notices = seen.split("\n").filter((line) => line !== "" && !/ib-px-(probe|end)|# new generation/.test(line));
    expect(notices).toEqual([]);
    expect(await allRules()).toBe(before);
  });

  test("writes the difference when it starts after changes", async () => {
    await (await start(home)).stop();
    lab.stores.slices.set(podSlice("ipv4", { pod1: {} }));
    await start(home);
    expect(await lab.hosts.client.ask(VIP, 80)).toContain("pod1");
    lab.stores.slices.set(podSlice("ipv4", { pod2: {}, pod3: {} }));
    await running?.settled();
    expect(await lab.hosts.client.ask(VIP, 80)).toMatch(/pod[23]/);
  });

  test("serves new connections all the while when its writes are refused", async () => {
    const kernel = homeKernel(lab.netns, home);
    let refusing = false;
    const allow = async () => {
      if (refusing) throw new Error("refused by the test");
    };
    running = await lab.start(home, {
      kernel: {
        ...kernel,
        nft: async () => {
          const nft = await kernel.nft();
          return { ...nft, apply: (script) => allow().then(() => nft.apply(script)) };
        },
        iptables: async (family, variant) => {
          const iptables = await kernel.iptables(family, variant);
          return { ...iptables, restore: (script) => allow().then(() => iptables.restore(script)) };
        },
      },
    });
    refusing = true;
    const other = webService({ clusterIP: "10.96.0.11", clusterIPs: ["10.96.0.11"], type: "ClusterIP" });
    lab.stores.services.set({ ...other, metadata: { ...other.metadata, name: "other" } });
    for (let i = 0; i < 50; i++) expect(await isServed()).toBe(true);
    expect(running.proxy.programmed("shop/other")).toBe(false);
    expect(running.proxy.programmed("shop/web")).toBe(true);
    refusing = false;
    await running.settled();
    expect(await lab.hosts.pod1.ask("10.96.0.11", 80)).toBe("refused"); // it has no endpoints
    lab.stores.services.remove("shop/other");
  });

  test("takes over from a kube-proxy that ran, with connections open, and removes its rules", async () => {
    await lab.run("bash", "-c", KUBE_PROXY);
    expect(await lab.hosts.client.order({ kind: "open", host: "10.96.0.10", port: 80 })).toMatch(/^pod2/);
    running = await lab.start(home);
    await removeKubeProxy(kernelOf(lab.netns));
    const rules = await allRules();
    expect(rules).not.toMatch(/KUBE-SVC|KUBE-SERVICES|kube-proxy/);
    expect(rules).toContain("KUBE-KUBELET-CANARY");
    expect(await lab.run("ip", "link")).not.toContain("kube-ipvs0");
    expect(await lab.hosts.client.order({ kind: "again" })).toMatch(/^pod2/);
    expect(await isServed()).toBe(true);
  });

  test("leaves no rule of its own and every rule of others when told to remove its rules", async () => {
    await lab.run("nft", "add table inet foreign; add chain inet foreign c");
    for (const variant of ["nft", "legacy"])
      await lab.run(`iptables-${variant}`, "-t", "nat", "-A", "PREROUTING", "-j", "ACCEPT");
    await (await start(home)).stop();
    expect(await allRules()).toMatch(/IRON-|ironbridge-proxy/);
    await removeRules(kernelOf(lab.netns));
    const left = await allRules();
    expect(left).not.toMatch(/IRON-|ironbridge/);
    expect(left).toContain("table inet foreign");
    for (const variant of ["nft", "legacy"]) {
      expect(await lab.run(`iptables-${variant}`, "-t", "nat", "-S", "PREROUTING")).toContain("-j ACCEPT");
      await lab.run(`iptables-${variant}`, "-t", "nat", "-D", "PREROUTING", "-j", "ACCEPT");
    }
    await lab.run("nft", "delete table inet foreign");
  });
});

describe.each(HOMES.flatMap((from) => HOMES.filter((to) => to !== from).map((to) => [from, to] as const)))(
  "from %s to %s",
  (from, to) => {
    test("takes over with connections open, and removes the other's rules", async () => {
      await (await start(from)).stop();
      const first = await lab.hosts.client.order({ kind: "open", host: VIP, port: 80 });
      expect(first).toContain("pod");
      const outages: string[] = [];
      let stopped = false;
      const asking = (async () => {
        while (!stopped) if (!(await isServed())) outages.push(new Date().toISOString());
      })();
      await start(to);
      const old = from === "nftables" ? /ironbridge-proxy/ : undefined;
      await waitFor("the old rules to be gone", async () => !(await rulesOf(from)).match(old ?? /IRON-/), {
        deadline: 3000,
      });
      stopped = true;
      await asking;
      expect(outages).toEqual([]);
      expect(await lab.hosts.client.order({ kind: "again" })).toBe(first);
    });
  },
);

function rulesOf(home: Home): Promise<string> {
  if (home === "nftables") return lab.run("nft", "list", "tables");
  return lab.run(`iptables-${home === "iptables-nft" ? "nft" : "legacy"}-save`);
}
