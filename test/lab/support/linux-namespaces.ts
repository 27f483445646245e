import { readdirSync } from "node:fs";
import { exec, type Netns, openNetns } from "../../../linux/mod.ts";
import { WORKER } from "../../support/worker.ts";

/** What the names of all namespaces of these tests begin with, in one of vitest's workers. */
const PREFIX = `ib-lx${WORKER}-`;

/** Two fresh network namespaces with loopback up; what an earlier run left is removed first. */
export async function createNamespaces(): Promise<{ a: Netns; b: Netns; remove(): Promise<void> }> {
  await removeNamespaces();
  for (const name of ["a", "b"]) await exec("ip", ["netns", "add", `${PREFIX}${name}`]);
  const a = openNetns(`/run/netns/${PREFIX}a`);
  const b = openNetns(`/run/netns/${PREFIX}b`);
  for (const netns of [a, b]) await exec("ip", ["link", "set", "lo", "up"], { netns });
  const remove = async () => {
    a.close();
    b.close();
    await removeNamespaces();
  };
  return { a, b, remove };
}

async function removeNamespaces(): Promise<void> {
  const left = readdirSync("/run/netns").filter((name) => name.startsWith(PREFIX));
  for (const name of left) await exec("ip", ["netns", "del", name]);
}
