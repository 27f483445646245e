import { execFileSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import type { ImageConfig, Source } from "../../../tools/image/mod.ts";
import { CHECKOUT } from "../plan.ts";
import { moduleDirectory } from "../tools/module-directory.ts";
import { withLibraries } from "./shared-library.ts";

/** An image of the cluster, made of programs built here and of this computer's Debian packages. */
export interface ClusterImage {
  /** File name in dist/cluster/images, without ".tar". */
  readonly file: string;
  /** The names under which pods ask for it. */
  readonly names: readonly [string, ...string[]];
  readonly config: ImageConfig;
  layers(): Promise<readonly (readonly Source[])[]>;
}

const E2E = "registry.k8s.io/e2e-test-images";
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const BUSYBOX = "/usr/bin/busybox";

export const PAUSE_IMAGE = "registry.k8s.io/pause:3.10.1";
export const COREDNS_IMAGE = "registry.k8s.io/coredns/coredns:v1.12.1";
export const AGNHOST_IMAGE = `${E2E}/agnhost:2.56`;
export const KUBE_PROXY_IMAGE = "registry.k8s.io/kube-proxy:v1.34.4";
export const NGINX_IMAGE = "docker.io/library/nginx:1.22";

const built = (name: string): string => join(CHECKOUT.bin, name);

export const CATALOGUE: readonly ClusterImage[] = [
  {
    file: "pause",
    names: [PAUSE_IMAGE],
    config: { Entrypoint: ["/pause"], User: "65535:65535" },
    layers: async () => [[{ to: "/pause", from: built("pause"), mode: 0o755 }]],
  },
  {
    file: "coredns",
    names: [COREDNS_IMAGE],
    config: { Entrypoint: ["/coredns"] },
    layers: async () => [[{ to: "/coredns", from: built("coredns"), mode: 0o755 }]],
  },
  {
    file: "agnhost",
    names: [AGNHOST_IMAGE, `${E2E}/agnhost:2.6`],
    config: { Entrypoint: ["/agnhost"], Cmd: ["pause"], Env: [PATH], WorkingDir: "/" },
    layers: async () => [
      await toolBox(),
      [
        { to: "/agnhost", from: built("agnhost"), mode: 0o755 },
        { to: "/agnhost-2", link: "agnhost" },
        { to: "/coredns", from: built("coredns"), mode: 0o755 },
        { to: "/uploads", directory: 0o755 },
        ...["localhost.crt", "localhost.key"].map((name) => ({
          to: `/${name}`,
          from: join(moduleDirectory("k8s.io/kubernetes"), "test/images/agnhost/porter", name),
        })),
      ],
    ],
  },
  {
    file: "conntrack-regression",
    names: [`${E2E}/regression-issue-74839:1.2`],
    config: { Entrypoint: ["/regression-issue-74839"] },
    layers: async () => [[{ to: "/regression-issue-74839", from: built("regression-issue-74839"), mode: 0o755 }]],
  },
  {
    file: "tools",
    names: [`${E2E}/busybox:1.37.0-1`, `${E2E}/jessie-dnsutils:1.7`],
    config: { Cmd: ["sh"], Env: [PATH] },
    layers: async () => [await toolBox()],
  },
  {
    file: "nginx",
    names: [NGINX_IMAGE, `${E2E}/nginx:1.14-4`, `${E2E}/nginx:1.15-4`],
    config: { Cmd: ["nginx", "-g", "daemon off;"], Env: [PATH], ExposedPorts: { "80/tcp": {} } },
    layers: async () => [await toolBox(), await nginx()],
  },
  {
    file: "kube-proxy",
    // The second: what a spec about connection tracking looks into its node with.
    names: [KUBE_PROXY_IMAGE, "registry.k8s.io/build-image/distroless-iptables:v0.7.14"],
    config: { Entrypoint: ["/usr/local/bin/kube-proxy"], Env: [PATH] },
    layers: async () => [
      await toolBox(),
      await packetTools(),
      [{ to: "/usr/local/bin/kube-proxy", from: built("kube-proxy"), mode: 0o755 }],
    ],
  },
  ...["controller", "speaker"].map(
    (name): ClusterImage => ({
      file: `metallb-${name}`,
      names: [`quay.io/metallb/${name}:v0.15.2`],
      config: { Entrypoint: [`/${name}`] },
      layers: async () => [[{ to: `/${name}`, from: built(`metallb-${name}`), mode: 0o755 }]],
    }),
  ),
];

/** A small Unix: busybox under all its names, the programs that tests start in pods, users, /tmp. */
async function toolBox(): Promise<readonly Source[]> {
  const programs = ["/usr/bin/curl", "/usr/bin/dig", "/usr/bin/getent", "/bin/nc.openbsd", "/bin/bash", "/usr/sbin/ip"];
  // Not busybox's own shell: it would start busybox's nc and nslookup, whatever PATH says. Not its wget, which looks up
  // names by a library that a static program cannot load.
  const own = ["sh", "ash", "nc", "bash", "ip", "busybox", "nslookup", "wget"];
  const applets = execFileSync(BUSYBOX, ["--list"], { encoding: "utf8" }).trim().split("\n");
  return [
    { to: "/bin/busybox", from: BUSYBOX, mode: 0o755 },
    ...applets.filter((name) => !own.includes(name)).map((name) => ({ to: `/bin/${name}`, link: "busybox" })),
    ...(await withLibraries([...programs, "/usr/bin/nslookup", "/usr/bin/wget", "/bin/dash"])),
    { to: "/bin/nc", link: "nc.openbsd" },
    { to: "/bin/sh", link: "dash" },
    { to: "/etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n" },
    { to: "/etc/group", content: "root:x:0:\nnogroup:x:65534:\n" },
    { to: "/tmp", directory: 0o1777 },
    { to: "/root", directory: 0o700 },
  ];
}

/** What writes and reads the kernel's packet filters, with the modules that iptables loads. */
async function packetTools(): Promise<readonly Source[]> {
  const modules = globSync("/usr/lib/*-linux-gnu/xtables/*.so").sort();
  const names = ["iptables", "ip6tables"].flatMap((name) => ["", "-save", "-restore"].map((verb) => name + verb));
  return [
    ...(await withLibraries(["/usr/sbin/xtables-nft-multi", "/usr/sbin/nft", "/usr/sbin/conntrack", ...modules])),
    ...names.map((name) => ({ to: `/usr/sbin/${name}`, link: "xtables-nft-multi" })),
    { to: "/run", directory: 0o755 },
  ];
}

async function nginx(): Promise<readonly Source[]> {
  return [
    ...(await withLibraries(["/usr/sbin/nginx"])),
    { to: "/etc/nginx/mime.types", from: "/etc/nginx/mime.types" },
    { to: "/etc/nginx/nginx.conf", from: join(import.meta.dirname, "nginx.conf") },
    { to: "/usr/share/nginx/html/index.html", content: "Welcome to nginx!\n" },
    { to: "/var/lib/nginx", directory: 0o755 },
    { to: "/var/log/nginx", directory: 0o755 },
    { to: "/run", directory: 0o755 },
  ];
}
