import type { Rtnetlink } from "../linux/mod.ts";

/** What may be different after them: links and addresses. */
const CHANGES: ReadonlySet<string> = new Set<keyof Rtnetlink>([
  "createBridge",
  "createVeth",
  "createIfb",
  "createVxlan",
  "setLink",
  "bringUp",
  "deleteLink",
  "deleteLinks",
  "addAddress",
  "deleteAddress",
]);

/**
 * The kernel as one look at it sees it: links and addresses are listed once, and again after a change that was made by way
 * of this view. Several parts of the node's network ask for them, and a list of the links of 250 pods is 400 KB.
 */
export function kernelView(kernel: Rtnetlink): Rtnetlink {
  let links: ReturnType<Rtnetlink["links"]> | undefined;
  let addresses: ReturnType<Rtnetlink["addresses"]> | undefined;
  const listLinks = () => {
    links ??= kernel.links();
    return links;
  };
  const listAddresses = () => {
    addresses ??= kernel.addresses();
    return addresses;
  };
  const remembered: Readonly<Record<string, unknown>> = {
    links: listLinks,
    link: (name: string) => listLinks().find((link) => link.name === name),
    addresses: listAddresses,
  } satisfies Partial<Rtnetlink>;
  return new Proxy(kernel, {
    get: (target, name) => {
      const method = remembered[String(name)];
      if (method !== undefined) return method;
      if (CHANGES.has(String(name))) links = addresses = undefined;
      return Reflect.get(target, name).bind(target);
    },
  });
}
