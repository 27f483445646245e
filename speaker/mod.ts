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
