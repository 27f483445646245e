import { NETLINK_ROUTE } from "./netlink-message.ts";
import { listenNetlink } from "./netlink-socket.ts";
import type { Netns } from "./netns.ts";

export type RtnetlinkTopic = "link" | "address" | "route" | "neighbour";

/** linux/rtnetlink.h: RTNLGRP_*, and the message types of each topic (new, delete). */
const TOPICS = {
  link: { groups: [1], types: [16, 17] },
  address: { groups: [5, 9], types: [20, 21] },
  route: { groups: [7, 11], types: [24, 25] },
  neighbour: { groups: [3], types: [28, 29] },
} as const satisfies Record<RtnetlinkTopic, { groups: readonly number[]; types: readonly number[] }>;

/**
 * Calls `onChange` after the kernel reported a change of one of `topics`, once per topic for a burst; a lost report
 * (ENOBUFS) counts as a change of every topic. Changes made by this process are reported too.
 */
export function watchRtnetlink(
  topics: readonly RtnetlinkTopic[],
  onChange: (topic: RtnetlinkTopic) => void,
  netns?: Netns,
): { close(): void } {
  return listenNetlink({
    protocol: NETLINK_ROUTE,
    groups: topics.flatMap((topic) => TOPICS[topic].groups),
    ...(netns && { netns }),
    onMessages: (messages) => {
      const seen = new Set<number>(messages?.map(({ type }) => type));
      for (const topic of topics) {
        if (messages === undefined || TOPICS[topic].types.some((type) => seen.has(type))) onChange(topic);
      }
    },
  });
}
