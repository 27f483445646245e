import { describe, expect, test } from "vitest";
import type { BGPAdvertisement } from "../../../../config/mod.ts";
import type { V1Service } from "../../../../kube/mod.ts";
import { announcedTo } from "../../../../speaker/bgp/announced.ts";
import type { NodePeer } from "../../../../speaker/bgp/peer-settings.ts";
import { RouteView } from "../../../../speaker/bgp/route-view.ts";
import { advert, configOf, here, node, service } from "./decide-objects.ts";

const KEY = "default/web";
const peer = (name: string) => ({ name, namespace: "metallb-system", settings: {} }) as NodePeer;
const ALL = [peer("tor2"), peer("tor1")];
const DUAL = ["10.0.0.5", "2001:db8::5"];

/** The peers that a ServiceBGPStatus of this node names; undefined: there is none. */
function told(
  adverts: readonly BGPAdvertisement[],
  of: V1Service | undefined,
  peers: readonly NodePeer[],
  ready = true,
) {
  const view = new RouteView({ service: () => of, slicesOf: () => [here] });
  view.refresh([KEY], configOf(...adverts), node);
  return announcedTo(view, () => ready, peers).get(KEY);
}

describe("announcedTo()", () => {
  const elsewhere = { nodeSelectors: [{ matchLabels: { rack: "b" } }] };
  const web = service();
  const cases: { name: string; told: ReturnType<typeof told>; want: readonly string[] | undefined }[] = [
    { name: "all peers of the node, in order", told: told([advert()], web, ALL), want: ["tor1", "tor2"] },
    {
      name: "all peers of a Service with addresses of both families",
      told: told([advert()], service({}, DUAL), ALL),
      want: ["tor1", "tor2"],
    },
    { name: "the peers an advertisement names", told: told([advert({ peers: ["tor2"] })], web, ALL), want: ["tor2"] },
    {
      name: "not a peer that nobody knows",
      told: told([advert({ peers: ["tor2", "tor9"] })], web, ALL),
      want: ["tor2"],
    },
    {
      name: "the peers of all advertisements",
      told: told([advert({ peers: ["tor2"] }, "a"), advert({ peers: ["tor1"] }, "b")], service({}, DUAL), ALL),
      want: ["tor1", "tor2"],
    },
    { name: "no longer a peer that is deleted", told: told([advert()], web, [peer("tor2")]), want: ["tor2"] },
    { name: "nothing without peers", told: told([advert()], web, []), want: undefined },
    { name: "nothing on a node that is not selected", told: told([advert(elsewhere)], web, ALL), want: undefined },
    { name: "nothing of a Service that is deleted", told: told([advert()], undefined, ALL), want: undefined },
    { name: "nothing before its rules are there", told: told([advert()], web, ALL, false), want: undefined },
  ];
  test.each(cases)("$name", ({ told, want }) => {
    expect(told).toEqual(want);
  });
});
