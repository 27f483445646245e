import { type BpfInstruction, FILTER_ACCEPT, FILTER_CODE, FILTER_DROP, hostHalf } from "./bpf.ts";
import { IFLA, RTM_DELLINK, RTM_NEWLINK } from "./link-wire.ts";

/** Which names of links are meant: all that begin with these two characters and are this long. */
export interface LinkNameShape {
  readonly start: string;
  /** Characters; 15 at the most. */
  readonly length: number;
}

const { LOAD_BYTE, LOAD_HALF, LOAD_WORD, JUMP_EQUAL } = FILTER_CODE;

/** Octets into a report of a link: struct nlmsghdr is 16 long, struct ifinfomsg 16, and the first attribute is the name. */
const TYPE_AT = 4;
const FAMILY_AT = 16;
const ATTRIBUTE_AT = 32;
const NAME_AT = 36;
/** What a bridge says of a port that leaves it is of the family AF_BRIDGE; the link is there still. */
const AF_UNSPEC = 0;

/**
 * Keeps reports of links with such names from a netlink socket, in the kernel: they cost nothing then. All others come,
 * those of other kinds too. struct sock_filter, linux/filter.h.
 */
export function withoutLinks(shapes: readonly LinkNameShape[]): readonly BpfInstruction[] {
  const tests = nameTests(shapes);
  return [
    { code: LOAD_HALF, jt: 0, jf: 0, k: TYPE_AT },
    { code: JUMP_EQUAL, jt: 1, jf: 0, k: hostHalf(RTM_NEWLINK) },
    { code: JUMP_EQUAL, jt: 0, jf: tests.length, k: hostHalf(RTM_DELLINK) },
    ...tests,
    FILTER_ACCEPT,
    FILTER_DROP,
  ];
}

/** Lets nothing reach a netlink socket but the reports that links with such names are gone. */
export function onlyRemovals(shapes: readonly LinkNameShape[]): readonly BpfInstruction[] {
  const tests = nameTests(shapes);
  return [
    { code: LOAD_HALF, jt: 0, jf: 0, k: TYPE_AT },
    { code: JUMP_EQUAL, jt: 0, jf: tests.length + 2, k: hostHalf(RTM_DELLINK) },
    { code: LOAD_BYTE, jt: 0, jf: 0, k: FAMILY_AT },
    { code: JUMP_EQUAL, jt: 0, jf: tests.length, k: AF_UNSPEC },
    ...tests,
    FILTER_DROP,
    FILTER_ACCEPT,
  ];
}

/** Goes on after the instruction that follows for a name of one of the shapes, with that instruction for any other. */
function nameTests(shapes: readonly LinkNameShape[]): readonly BpfInstruction[] {
  return shapes.flatMap(({ start, length }, i) => [
    { code: LOAD_WORD, jt: 0, jf: 0, k: ATTRIBUTE_AT },
    { code: JUMP_EQUAL, jt: 0, jf: 2, k: attributeWord(length) },
    { code: LOAD_HALF, jt: 0, jf: 0, k: NAME_AT },
    { code: JUMP_EQUAL, jt: (shapes.length - 1 - i) * TEST_LENGTH + 1, jf: 0, k: firstTwo(start) },
  ]);
}

const TEST_LENGTH = 4;

/** Length and type of the attribute that holds a name of `length` characters and its zero. */
function attributeWord(length: number): number {
  return ((hostHalf(4 + length + 1) << 16) | hostHalf(IFLA.IFNAME)) >>> 0;
}

function firstTwo(start: string): number {
  return (start.charCodeAt(0) << 8) | start.charCodeAt(1);
}
