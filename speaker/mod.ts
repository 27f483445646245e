export {
  factsOf,
  type NodeRefusal,
  type NodeStanding,
  type ServiceFacts,
  type ServiceRefusal,
  standingOf,
} from "./decide.ts";
export {
  type AddressState,
  type Speaker,
  type SpeakerOptions,
  type SpeakerState,
  startSpeaker,
} from "./speaker.ts";
