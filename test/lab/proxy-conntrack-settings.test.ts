import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { createProxyLab, type ProxyLab } from "./support/proxy-lab.ts";

let lab: ProxyLab;
beforeAll(async () => {
  lab = await createProxyLab();
});
afterAll(() => lab.remove());

const CHOICES = {
  maxPerCore: 100_000_000,
  min: 0,
  tcpTimeoutEstablished: 86_400_000,
  tcpTimeoutCloseWait: 3_600_000,
  udpTimeout: 0,
  udpTimeoutStream: 121_000,
  tcpBeLiberal: true,
};

async function setting(name: string): Promise<string> {
  return (await lab.run("sysctl", "-n", `net.netfilter.${name}`)).trim();
}

describe("startProxy()", () => {
  test("sets how connections are tracked, and goes on where the size is not this namespace's to set", async () => {
    const [size, udp] = [await setting("nf_conntrack_max"), await setting("nf_conntrack_udp_timeout")];
    const running = await lab.start("nftables", { conntrack: CHOICES });
    const isSet = async () => (await setting("nf_conntrack_tcp_be_liberal")) === "1";
    await waitFor("the settings", isSet, { deadline: 2000 });
    expect(await setting("nf_conntrack_tcp_timeout_established")).toBe("86400");
    expect(await setting("nf_conntrack_tcp_timeout_close_wait")).toBe("3600");
    expect(await setting("nf_conntrack_udp_timeout_stream")).toBe("121");
    expect(await setting("nf_conntrack_udp_timeout")).toBe(udp);
    expect(await setting("nf_conntrack_max")).toBe(size);
    expect(running.proxy.ready()).toBe(true);
    await running.stop();
  });
});
