import { z } from "zod";
import { tryParseAddress } from "../net/mod.ts";
import { conditionStatus } from "./condition.ts";
import { parseDuration } from "./duration.ts";
import { type CustomObject, type CustomResource, metallbResource } from "./resource.ts";
import { type KindDescription, type PrinterColumn, rule } from "./schema.ts";
import { selectorList } from "./selector.ts";

/** RFC 4271 section 4.2: a hold time is 0 or at least 3 seconds. Milliseconds. */
const SHORTEST_HOLD = 3_000;
const LONGEST_CONNECT = 65_535_000;
/** Octets of a TCP-MD5 key: linux/tcp.h, TCP_MD5SIG_MAXKEYLEN. */
export const LONGEST_PASSWORD = 80;

/** An address, or empty for not set. `what` names it in the message. */
const address = (what: string) =>
  z.string().superRefine((text, context) => {
    if (text !== "" && tryParseAddress(text) === undefined) {
      context.addIssue({ code: "custom", message: `invalid BGPPeer ${what}; write an IPv4 or IPv6 address` });
    }
  });

const duration = z.string().superRefine((text, context) => {
  if (parseDuration(text) === undefined) {
    context.addIssue({ code: "custom", message: "it is not a duration; write one such as 90s or 1m30s" });
  }
});

const holdTime = duration.superRefine((text, context) => {
  const hold = parseDuration(text);
  if (hold !== undefined && hold !== 0 && Math.trunc(hold / 1000) * 1000 < SHORTEST_HOLD) {
    context.addIssue({ code: "custom", message: "invalid hold time: it must be 0 or >=3s; write 0s, or 3s or more" });
  }
});

const connectTime = duration
  .superRefine((text, context) => {
    const time = parseDuration(text) ?? 1000;
    if (time < 1000 || time > LONGEST_CONNECT || time % 1000 !== 0) {
      context.addIssue({ code: "custom", message: "connect time must be whole seconds from 1s to 65535s; write 10s" });
    }
  })
  .meta(
    rule(
      "duration(self).getSeconds() >= 1 && duration(self).getSeconds() <= 65535 && duration(self).getMilliseconds() % 1000 == 0",
      "connect time must be whole seconds from 1s to 65535s",
    ),
  );

const myASN = z
  .uint32()
  .min(1, { error: "missing local ASN; set the number of this cluster's autonomous system" })
  .describe("The number of this cluster's autonomous system.");

const common = {
  myASN,
  sourceAddress: address("source address").optional().describe("Address the session is made from."),
  holdTime: holdTime
    .optional()
    .describe("Time without a message after which the peer counts as gone: 0s or 3s and more."),
  keepaliveTime: duration.optional().describe("Time between keepalives; a third of holdTime when not set."),
  routerID: address("router ID").optional().describe("BGP identifier, in the form of an IPv4 address."),
  nodeSelectors: selectorList("Nodes that make a session with the peer. None: all nodes."),
  password: z
    .string()
    .meta({ maxLength: LONGEST_PASSWORD })
    .optional()
    .describe("Password of TCP MD5 signatures (RFC 2385), in clear text: at most 80 octets."),
  bfdProfile: z.string().optional().describe("Name of the BFDProfile that watches the session."),
  ebgpMultiHop: z.boolean().optional().describe("True: the external peer is more than one hop away."),
} as const;

const olderSpec = z.object({
  ...common,
  peerASN: z.uint32().describe("The number of the peer's autonomous system."),
  peerAddress: address("address").describe("The peer's address."),
  peerPort: z.int().min(0).max(16_384).optional().describe("The peer's TCP port; 179 when not set."),
});

const spec = z
  .object({
    ...common,
    peerASN: z.uint32().optional().describe("The number of the peer's autonomous system."),
    dynamicASN: z
      .enum(["internal", "external"])
      .optional()
      .describe("In place of peerASN: any number equal to (internal) or other than (external) myASN."),
    localASN: z.uint32().min(1).optional().describe("Shown to this peer in place of myASN (RFC 7705)."),
    peerAddress: address("address").optional().describe("The peer's address."),
    interface: z.string().optional().describe("In place of peerAddress: the interface whose neighbour is the peer."),
    peerPort: z.int().min(0).max(16_384).default(179).describe("The peer's TCP port; 0 counts as 179."),
    connectTime: connectTime.optional().describe("Time before another attempt to connect: whole seconds."),
    passwordSecret: z
      .object({
        name: z.string().optional().describe("Name of the Secret."),
        namespace: z.string().optional().describe("Its namespace; that of Ironbridge when not set."),
      })
      .meta({ "x-kubernetes-map-type": "atomic" })
      .optional()
      .describe("In place of password: a Secret of type kubernetes.io/basic-auth, of which the key password is read."),
    enableGracefulRestart: z
      .boolean()
      .optional()
      .meta(rule("self == oldSelf", "enableGracefulRestart can't be changed after creation"))
      .describe("True: the peer keeps forwarding while the speaker restarts (RFC 4724). Can't be changed."),
    vrf: z.string().optional().describe("The host's VRF the session is made in."),
    disableMP: z.boolean().default(false).describe("Has no effect any more."),
    dualStackAddressFamily: z.boolean().default(false).describe("True: both address families over the one session."),
  })
  .meta({
    "x-kubernetes-validations": [
      ...rule(
        "(has(self.peerASN) && self.peerASN != 0) != has(self.dynamicASN)",
        "exactly one of peerASN and dynamicASN must be set",
      )["x-kubernetes-validations"],
      ...rule(
        "(has(self.peerAddress) && self.peerAddress != '') != (has(self.interface) && self.interface != '')",
        "exactly one of peerAddress and interface must be set",
      )["x-kubernetes-validations"],
    ],
  })
  .superRefine((peer, context) => {
    for (const { field, message } of contradictions(peer)) {
      context.addIssue({ code: "custom", path: [field], message });
    }
  });

type PeerSpec = Pick<
  z.output<typeof spec>,
  "myASN" | "peerASN" | "dynamicASN" | "peerAddress" | "interface" | "holdTime" | "keepaliveTime"
> &
  Pick<z.output<typeof spec>, "password" | "passwordSecret" | "ebgpMultiHop">;

/** Fields that are right by themselves and not together. */
function contradictions(peer: PeerSpec): { readonly field: string; readonly message: string }[] {
  const found: { field: string; message: string }[] = [];
  const { peerASN = 0, dynamicASN, peerAddress = "", interface: port = "" } = peer;
  if ((peerASN !== 0) === (dynamicASN !== undefined)) {
    const message = "exactly one of peerASN and dynamicASN must be set; give the peer's number or internal or external";
    found.push({ field: peerASN === 0 ? "peerASN" : "dynamicASN", message });
  }
  if ((peerAddress !== "") === (port !== "")) {
    const message = "exactly one of peerAddress and interface must be set; give the peer's address or an interface";
    found.push({ field: peerAddress === "" ? "peerAddress" : "interface", message });
  }
  const hold = peer.holdTime === undefined ? undefined : parseDuration(peer.holdTime);
  const keepalive = peer.keepaliveTime === undefined ? undefined : parseDuration(peer.keepaliveTime);
  if (hold !== undefined && keepalive !== undefined && keepalive > hold) {
    const message = `invalid keepaliveTime: it must be lower than holdTime ${peer.holdTime}; lower it`;
    found.push({ field: "keepaliveTime", message });
  }
  const hasSecret = (peer.passwordSecret?.name ?? "") !== "";
  if ((peer.password ?? "") !== "" && hasSecret) {
    const message = "can not have both password and passwordSecret; remove password";
    found.push({ field: "passwordSecret", message });
  }
  if (peer.ebgpMultiHop === true && (peer.myASN === peerASN || dynamicASN === "internal")) {
    const message = "invalid EBGPMultiHop: an internal peer has no use for it; remove ebgpMultiHop";
    found.push({ field: "ebgpMultiHop", message });
  }
  return found;
}

const columns = [
  { name: "Address", type: "string", jsonPath: ".spec.peerAddress" },
  { name: "ASN", type: "string", jsonPath: ".spec.peerASN" },
  { name: "BFD Profile", type: "string", jsonPath: ".spec.bfdProfile" },
  { name: "Multi Hops", type: "string", jsonPath: ".spec.ebgpMultiHop" },
] as const satisfies readonly PrinterColumn[];

export const BGP_PEER: KindDescription<typeof spec> = {
  description: "A BGP router that nodes make sessions with.",
  spec,
  status: conditionStatus,
  columns,
  // Every field of the older version is one of the newer under the same name and with the same meaning, so the API
  // server converts by changing the version's name, and no webhook stands between a cluster and its peers.
  older: [{ version: "v1beta1", warning: "v1beta1 is deprecated, please use v1beta2", spec: olderSpec, columns }],
};

export type BGPPeer = CustomObject<z.input<typeof spec>, z.output<typeof conditionStatus>>;

export const BGP_PEERS: CustomResource<BGPPeer> = metallbResource("BGPPeer", "bgppeers", "v1beta2");
