export { type Bgp, type BgpOptions, type PodNetworkExchange, startBgp } from "./bgp/bgp.ts";
export type { BgpState } from "./bgp/bgp-state.ts";
export { configurationStateName } from "./bgp/configuration-state-writer.ts";
export { forgetForwarding } from "./bgp/forwarding-memory.ts";
export type { LearnedRoutes } from "./bgp/message.ts";
export { removeSpeakerRules } from "./cleanup.ts";
export {
  factsOf,
  type NodeRefusal,
  type NodeStanding,
  type ServiceFacts,
  type ServiceRefusal,
  standingOf,
} from "./decide.ts";
export { type Speaker, type SpeakerOptions, startSpeaker } from "./speaker.ts";
export type { AddressState, SpeakerState } from "./speaker-state.ts";
