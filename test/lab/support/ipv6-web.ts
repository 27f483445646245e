import type { Lab } from "../../../lab/mod.ts";

/** Addresses of the lab's LAN for Services, as the samples have them of IPv4. */
export const IPV6_POOL = {
  apiVersion: "metallb.io/v1beta1",
  kind: "IPAddressPool",
  metadata: { name: "lab-pool6", namespace: "ironbridge-system" },
  spec: { addresses: ["fd00:1::100-fd00:1::150"] },
};

/** A Service of IPv6 alone with the pods of the sample "web". */
export function ipv6Service(name: string): object {
  const spec = { type: "LoadBalancer", ipFamilies: ["IPv6"], selector: { app: "web" }, ports: [{ port: 80 }] };
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace: "default" }, spec };
}

/** Has the sample "web", whose nginx listens at IPv4 addresses only, answer over IPv6 as well. */
export async function webOnIpv6(lab: Lab): Promise<void> {
  const read = ["get", "configmap", "web", "-o", "jsonpath={.data.default\\.conf}"];
  const before = await lab.kubectl(read);
  const data = { "default.conf": before.replace("listen 80;", "listen 80;\n  listen [::]:80;") };
  await lab.kubectl(["patch", "configmap", "web", "-p", JSON.stringify({ data })]);
  await lab.kubectl(["delete", "pods", "-l", "app=web"]);
  await lab.kubectl(["rollout", "status", "deployment", "web", "--timeout=30s"]);
}
