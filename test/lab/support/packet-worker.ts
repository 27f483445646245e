import { parentPort, workerData } from "node:worker_threads";
import { openNetns, openPacketSocket } from "../../../linux/mod.ts";

// Reports octet 14 of each ARP frame it gets.
const { netns, ifindex } = workerData as { netns: string; ifindex: number };
openPacketSocket({
  netns: openNetns(netns),
  ifindex,
  etherType: 0x0806,
  filter: [{ code: 0x06, jt: 0, jf: 0, k: 0xffff_ffff }],
  onFrame: (frame) => void Promise.resolve(frame[14]).then((marker) => parentPort?.postMessage(marker)),
  onError: (error) => {
    throw error;
  },
});
parentPort?.postMessage("ready");
