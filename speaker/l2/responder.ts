import type { Link } from "../../linux/mod.ts";

/** How an address is answered for. */
export interface Answer {
  readonly interfaces: "all" | readonly string[];
  /** The node whose hardware address is given; absent: our own. */
  readonly inNameOf?: string;
}

export interface Counts {
  requests: number;
  responses: number;
  gratuitous: number;
}

/** Tells one network's neighbours where addresses are: by ARP for IPv4; its sibling for IPv6 speaks NDP. */
export interface Responder {
  /** Follows the interfaces: opens and closes sockets so that exactly `links` are served. */
  setLinks(links: readonly Link[]): void;
  /** From now on answers for exactly these addresses, by canonical text. */
  setAnswers(answers: ReadonlyMap<string, Answer>): void;
  /** Announces `address` on every interface it is answered on. */
  announce(address: string): void;
  /** What was counted since the last call, by address. */
  takeCounts(): ReadonlyMap<string, Counts>;
  close(): void;
}

export interface ResponderOptions {
  /** False while answering could make two owners: this program was held up and others may have taken over. */
  readonly mayAnswer: () => boolean;
  /** Hardware address of another node on an interface; undefined when it is no neighbour there. */
  readonly macOf: (node: string, ifindex: number) => Uint8Array | undefined;
  readonly onProblem: (event: string, fields: object, message: string) => void;
}

/** True when `answer` applies to the interface `name`. */
export function answersOn(answer: Answer, name: string): boolean {
  return answer.interfaces === "all" || answer.interfaces.includes(name);
}
