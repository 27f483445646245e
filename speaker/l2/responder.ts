import type { HostLink } from "./interfaces.ts";

/** How an address is answered for. */
export interface Answer {
  /** Names of interfaces. */
  readonly interfaces: readonly string[];
  /** The node whose hardware address is given; absent: our own. */
  readonly inNameOf?: string;
}

export interface Counts {
  requests: number;
  responses: number;
  gratuitous: number;
}

/** Somebody else on the network says that it has an address that we answer for. */
export interface Foreigner {
  readonly address: string;
  readonly mac: string;
  readonly interface: string;
}

/** Tells one network's neighbours where addresses are: by ARP for IPv4, by NDP for IPv6. */
export interface Responder {
  /** Follows the interfaces: opens and closes sockets so that exactly `links` are served. */
  setLinks(links: readonly HostLink[]): void;
  /** From now on answers for exactly these addresses, by canonical text; those of another family are left out. */
  setAnswers(answers: ReadonlyMap<string, Answer>): void;
  /** Announces `address` on every interface it is answered on. */
  announce(address: string): void;
  /** What was counted since the last call, by address. */
  takeCounts(): ReadonlyMap<string, Counts>;
  close(): void;
}

export type OnProblem = (event: string, fields: object, message: string) => void;

export interface ResponderOptions {
  /** False while answering could make two owners: this program was held up and others may have taken over. */
  readonly mayAnswer: () => boolean;
  /** Hardware address of another node on the network of `link`; undefined when it is not there. */
  readonly macOf: (node: string, link: HostLink) => Uint8Array | undefined;
  readonly onForeigner: (foreigner: Foreigner) => void;
  readonly onProblem: OnProblem;
}

/** True when `answer` applies to the interface `name`. */
export function answersOn(answer: Answer, name: string): boolean {
  return answer.interfaces.includes(name);
}

/** One responder for both families. */
export function bothResponders(...responders: readonly Responder[]): Responder {
  return {
    setLinks: (links) => {
      for (const each of responders) each.setLinks(links);
    },
    setAnswers: (answers) => {
      for (const each of responders) each.setAnswers(answers);
    },
    announce: (address) => {
      for (const each of responders) each.announce(address);
    },
    takeCounts: () => new Map(responders.flatMap((each) => [...each.takeCounts()])),
    close: () => {
      for (const each of responders) each.close();
    },
  };
}

/** Counts of answers by address. */
export class CountTable {
  #counts = new Map<string, Counts>();

  add(address: string, what: keyof Counts): void {
    const entry = this.#counts.get(address) ?? { requests: 0, responses: 0, gratuitous: 0 };
    entry[what]++;
    this.#counts.set(address, entry);
  }

  take(): ReadonlyMap<string, Counts> {
    const taken = this.#counts;
    this.#counts = new Map();
    return taken;
  }
}
