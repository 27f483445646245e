import { afterEach, describe, expect, test } from "vitest";
import { openNetns, openPacketSocket, openRtnetlink } from "../../linux/mod.ts";
import type { ProxyOptions } from "../../proxy/mod.ts";
import { waitFor } from "../support/wait.ts";
import { HOMES, type Home, hostNetns, SERVING_PORT, webService } from "./support/proxy-lab.ts";
import { CLUSTER_IP, FAMILIES, type Family, useStage } from "./support/proxy-stage.ts";
import { strayAnswer } from "./support/stray-segment.ts";

/** What connection tracking can't place ("INVALID"): kube-proxy's iptables drops it, its nftables has the kernel be liberal. */
const stage = useStage();
afterEach(() => stage.stop());

const CONNTRACK: NonNullable<ProxyOptions["conntrack"]> = {
  maxPerCore: 0,
  min: 0,
  tcpTimeoutEstablished: 0,
  tcpTimeoutCloseWait: 0,
  udpTimeout: 0,
  udpTimeoutStream: 0,
  tcpBeLiberal: true,
};
/** linux/if_ether.h. */
const ETHER_TYPE = { ipv4: 0x0800, ipv6: 0x86dd };
const LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal";
const DROPPED = "kubeproxy_iptables_ct_state_invalid_dropped_packets_total";

async function startWith(home: Home, isLiberal: "0" | "1", choices: Partial<ProxyOptions> = {}): Promise<void> {
  await stage.lab.run("sysctl", "-qw", `${LIBERAL}=${isLiberal}`);
  await stage.start(home, choices);
  await stage.given(webService(), { pod2: {} });
}

async function dropped(): Promise<number> {
  const { values = [] } = (await stage.running.metrics.getSingleMetric(DROPPED)?.get()) ?? {};
  return values[0]?.value ?? 0;
}

/** pod2 answers the next segment with data that it gets with a stray one as well. */
function strayFromPod2(family: Family): { readonly sent: () => boolean; close(): void } {
  const netns = openNetns(`/run/netns/${hostNetns("pod2")}`);
  const links = openRtnetlink(netns);
  const { index: ifindex } = links.links().find(({ name }) => name === "eth0")!;
  links.close();
  let sent = false;
  const socket = openPacketSocket({
    ifindex,
    etherType: ETHER_TYPE[family],
    netns,
    filter: [{ code: 0x06, jt: 0, jf: 0, k: 0xffff }], // ret all
    onFrame: (frame) => {
      const stray = sent ? undefined : strayAnswer(frame, SERVING_PORT);
      if (stray === undefined) return;
      sent = true;
      socket.send(stray);
    },
    onError: (error) => {
      throw error;
    },
  });
  return {
    sent: () => sent,
    close: () => {
      socket.close();
      netns.close();
    },
  };
}

describe.each(HOMES)("%s", (home) => {
  test("should drop INVALID conntrack entries", async () => {
    await startWith(home, "0", home === "nftables" ? { conntrack: CONNTRACK } : {});
    if (home === "nftables") {
      const isSet = async () => (await stage.lab.run("sysctl", "-n", LIBERAL)).trim() === "1";
      await waitFor("the setting", isSet, { deadline: 2000 });
    }
    for (const [i, family] of FAMILIES.entries()) {
      expect(await stage.lab.hosts.pod1.order({ kind: "open", host: CLUSTER_IP[family], port: 80 })).toMatch(/^pod2/);
      const stray = strayFromPod2(family);
      try {
        expect(await stage.lab.hosts.pod1.order({ kind: "again" })).toMatch(/^pod2/);
        await waitFor("the stray segment", stray.sent, { deadline: 2000 });
        if (home !== "nftables") await expect.poll(dropped, { timeout: 5000 }).toBe(i + 1);
        for (let round = 0; round < 3; round++) {
          expect(await stage.lab.hosts.pod1.order({ kind: "again" })).toMatch(/^pod2/);
        }
      } finally {
        stray.close();
      }
    }
  });
});

test.each(HOMES.filter((home) => home !== "nftables"))("%s drops nothing where the kernel is liberal", async (home) => {
  await startWith(home, "1");
  expect(await stage.lab.run(`${home}-save`, "-t", "filter")).not.toContain("INVALID");
  await startWith(home, "0", { conntrack: CONNTRACK });
  expect(await stage.lab.run(`${home}-save`, "-t", "filter")).not.toContain("INVALID");
});
