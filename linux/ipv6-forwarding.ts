/** Kernel settings of one network namespace; keys as readSysctl() has them. */
export interface Sysctls {
  readSysctl(key: string): string | undefined;
  /** Names of what is right below `directory`. */
  listSysctls(directory: string): readonly string[];
}

const INTERFACES = "net/ipv6/conf";
/** No interfaces, but what those without a value of their own have. */
const TEMPLATES: readonly string[] = ["all", "default"];

/**
 * What makes this node forward IPv6, key and value, in the order they must be written. A node that forwards takes no
 * default route from a router's advertisements and drops those it has, except on interfaces where accept_ra is 2: the ones
 * that listen now go on with it. Documentation/networking/ip-sysctl.rst, "accept_ra".
 */
export function ipv6ForwardingSettings(kernel: Sysctls): (readonly [key: string, value: string])[] {
  const names = kernel.listSysctls(INTERFACES).filter((name) => !TEMPLATES.includes(name));
  const read = (name: string, setting: string) => kernel.readSysctl(`${INTERFACES}/${name}/${setting}`);
  const listening = names.filter((name) => read(name, "forwarding") === "0" && read(name, "accept_ra") === "1");
  return [
    ...listening.map((name) => [`${INTERFACES}/${name}/accept_ra`, "2"] as const),
    [`${INTERFACES}/all/forwarding`, "1"],
  ];
}
