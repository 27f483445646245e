import type { FramePorts, FramePortsOptions } from "../../../../speaker/l2/frame-ports.ts";
import type { HostLink } from "../../../../speaker/l2/interfaces.ts";
import type { Responder, ResponderOptions } from "../../../../speaker/l2/responder.ts";
import { ETHERNET } from "./ethernet.ts";

export const OWN = ETHERNET.mac;
export const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 2);

export const ETH0: HostLink = { ...ETHERNET, subnets: [], speaksIpv6: true };

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
