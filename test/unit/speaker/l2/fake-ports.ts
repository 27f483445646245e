import type { FramePorts, FramePortsOptions } from "../../../../speaker/l2/frame-ports.ts";
import type { HostLink } from "../../../../speaker/l2/interfaces.ts";
import type { Responder, ResponderOptions } from "../../../../speaker/l2/responder.ts";

export const OWN = Uint8Array.of(2, 0, 0, 0, 0, 1);
export const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 2);

export const ETH0: HostLink = {
  index: 2,
  name: "eth0",
  mac: OWN,
  mtu: 1500,
  up: true,
  carrier: true,
  loopback: false,
  broadcast: true,
  noArp: false,
  subnets: [],
  speaksIpv6: true,
};

/** A responder on a network without a kernel: every frame reaches it, whatever the kernel's filter would say. */
export function onFakePorts(
  open: (options: ResponderOptions, openPorts: (options: FramePortsOptions) => FramePorts) => Responder,
  options: Partial<ResponderOptions> = {},
) {
  const sent: Uint8Array[] = [];
  let hear: FramePortsOptions["onFrame"] = () => {};
  const openPorts = ({ onFrame }: FramePortsOptions): FramePorts => {
    hear = onFrame;
    return {
      setLinks: () => {},
      setFilter: () => {},
      links: () => [],
      send: (_, __, payload) => sent.push(payload),
      close: () => {},
    };
  };
  const quiet = { mayAnswer: () => true, macOf: () => undefined, onForeigner: () => {}, onProblem: () => {} };
  const responder = open({ ...quiet, ...options }, openPorts);
  return {
    responder,
    /** What is sent because of a frame. */
    answersTo: (frame: Uint8Array) => {
      sent.length = 0;
      hear(ETH0, frame);
      return [...sent];
    },
  };
}
