import { basename } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";

let lab: CniLab;

beforeAll(async () => {
  lab = await createCniLab();
});
afterEach(() => lab.node1.kill());
afterAll(() => lab.remove());

/** As a router of the LAN: "I route for 1800 s". The kernel fills in the checksum. RFC 4861 section 4.2. */
const ADVERTISE = `
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
advertisement = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
s.sendto(advertisement, ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))
`;

async function learnDefaultRoute(): Promise<void> {
  const learned = async () => {
    await exec("ip", ["netns", "exec", basename(lab.outside), "python3", "-c", ADVERTISE]);
    return (await defaultRoute()).includes("proto ra");
  };
  await waitFor("the default route that the router advertises", learned, { deadline: 10_000, every: 200 });
}

const defaultRoute = () => lab.node1.run("ip", "-6", "route", "show", "default", "dev", "eth0");
const setting = async (key: string) => (await lab.node1.run("sysctl", "-n", key)).trim();

test("a node goes on with the default route that its router advertises, and with listening to it", async () => {
  await learnDefaultRoute();
  lab.node1.start([nodeObject(1)]);
  await lab.node1.whenReady();
  expect(await setting("net.ipv6.conf.all.forwarding")).toBe("1");
  expect(await defaultRoute()).toContain("proto ra");
  await lab.node1.run("ip", "-6", "route", "flush", "proto", "ra");
  await learnDefaultRoute();
  expect(await setting("net.ipv6.conf.ironbr0.accept_ra")).toBe("0");
});

test("settings that others change are put back, and the log says which", async () => {
  lab.node1.start([nodeObject(1)]);
  await lab.node1.whenReady();
  await lab.node1.run("sysctl", "-qw", "net.ipv4.ip_forward=0");
  await lab.node1.wake();
  await waitFor("the setting", async () => (await setting("net.ipv4.ip_forward")) === "1", { deadline: 5000 });
  expect(lab.node1.log()).toContain("another program set net/ipv4/ip_forward to 0; it is 1 again");
});

test("a policy of iptables that drops pods' packets is named with a remedy, which helps", async () => {
  lab.node1.start([nodeObject(1)]);
  await lab.node1.whenReady();
  const [a, b] = await Promise.all([lab.addPod(), lab.addPod()]);
  await lab.node1.add("asks", a);
  const { ipv4 } = await lab.node1.add("answers", b);
  const reach = () => exec("ip", ["netns", "exec", basename(a), "ping", "-c1", "-W1", ipv4]);
  await reach();
  await lab.node1.run("iptables-nft", "-P", "FORWARD", "DROP");
  await expect(reach()).rejects.toThrow();
  const remedy = () => lab.node1.log().match(/(iptables -I FORWARD -i .*? ACCEPT) and (iptables -I .*? ACCEPT)/);
  await waitFor("the line in the log", () => remedy() !== null, { deadline: 5000 });
  for (const command of remedy()!.slice(1)) {
    await lab.node1.run(...command.replace("iptables", "iptables-nft").split(" "));
  }
  await reach();
});
