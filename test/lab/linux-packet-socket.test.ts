import { readdirSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { explainError } from "../../core/mod.ts";
import {
  type BpfInstruction,
  type Netns,
  openPacketSocket,
  openRtnetlink,
  type PacketSocket,
} from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { createNamespaces } from "./support/linux-namespaces.ts";

let a: Netns;
let b: Netns;
let remove: () => Promise<void>;
let left: number;
let right: number;

beforeAll(async () => {
  ({ a, b, remove } = await createNamespaces());
  const [inA, inB] = [openRtnetlink(a), openRtnetlink(b)];
  left = inA.createVeth({ name: "v0", mtu: 1500, peer: { name: "v0", netns: b } }).index;
  right = inB.link("v0")!.index;
  inA.setLink(left, { up: true });
  inB.setLink(right, { up: true });
  inA.close();
  inB.close();
  // The kernel drops what is sent until it has noticed, in its own time, that the other end is up.
  const [receiver, sender] = [listen(b, right), listen(a, left)];
  const carries = () => {
    sender.send(frame(0));
    return receiver.frames.length > 0;
  };
  await waitFor("a link that carries frames", carries, { deadline: 5_000 });
  receiver.close();
  sender.close();
});
afterAll(() => remove());

const ARP = 0x0806;
const ALL: readonly BpfInstruction[] = [{ code: 0x06, jt: 0, jf: 0, k: 0xffff_ffff }];
/** Frames whose octet 14 is 7: ldb [14]; jeq 7; ret all; ret nothing. */
const SEVENS: readonly BpfInstruction[] = [
  { code: 0x30, jt: 0, jf: 0, k: 14 },
  { code: 0x15, jt: 0, jf: 1, k: 7 },
  { code: 0x06, jt: 0, jf: 0, k: 0xffff_ffff },
  { code: 0x06, jt: 0, jf: 0, k: 0 },
];

/** A broadcast frame of `etherType` with `marker` after the header. */
function frame(marker: number, etherType = ARP): Uint8Array {
  const out = new Uint8Array(60);
  out.fill(0xff, 0, 6);
  out.set([2, 0, 0, 0, 0, 9, etherType >> 8, etherType & 0xff, marker & 0xff, marker >> 8], 6);
  return out;
}

interface Listener extends PacketSocket {
  readonly frames: Uint8Array[];
  readonly errors: unknown[];
}

function listen(netns: Netns, ifindex: number, filter = ALL, onFrame = (_: Uint8Array) => {}): Listener {
  const frames: Uint8Array[] = [];
  const errors: unknown[] = [];
  const socket = openPacketSocket({
    netns,
    ifindex,
    etherType: ARP,
    filter,
    onFrame: (received) => {
      frames.push(received);
      onFrame(received);
    },
    onError: (error) => errors.push(error),
  });
  return { ...socket, frames, errors };
}

describe("openPacketSocket()", () => {
  test("gets whole frames of its protocol that the filter passes, and none it sent itself", async () => {
    const receiver = listen(b, right, SEVENS);
    const sender = listen(a, left);
    sender.send(frame(7, 0x88b5)); // another protocol
    sender.send(frame(8));
    sender.send(frame(7));
    await waitFor("the frame", () => receiver.frames.length > 0, { deadline: 1000 });
    expect(receiver.frames).toEqual([frame(7)]);
    expect(sender.frames).toEqual([]);
    receiver.close();
    sender.close();
  });

  test("loses nothing of a burst longer than one turn, in order", async () => {
    const receiver = listen(b, right);
    const sender = listen(a, left);
    for (let i = 0; i < 500; i++) sender.send(frame(i));
    await waitFor("500 frames", () => receiver.frames.length === 500, { deadline: 2000 });
    expect(receiver.frames.map((bytes) => bytes[14]! + bytes[15]! * 256)).toEqual(
      Array.from({ length: 500 }, (_, i) => i),
    );
    receiver.close();
    sender.close();
  });

  test("promises made in onFrame go on, and it may close its own socket", async () => {
    let settled = false;
    const sender = listen(a, left);
    const receiver: Listener = listen(b, right, ALL, () => {
      receiver.close();
      Promise.resolve().then(() => {
        settled = true;
      });
    });
    sender.send(frame(1));
    sender.send(frame(2));
    await waitFor("the promise", () => settled, { deadline: 1000 });
    expect(receiver.frames).toEqual([frame(1)]);
    receiver.close();
    sender.close();
  });

  test("tells when the interface goes down or away, and send() refuses", async () => {
    const links = openRtnetlink(a);
    const { index } = links.createVeth({ name: "v1", mtu: 1500, peer: { name: "v1", netns: b } });
    links.setLink(index, { up: true });
    const socket = listen(a, index);
    links.setLink(index, { up: false });
    await waitFor("the error", () => socket.errors.length > 0, { deadline: 1000 });
    expect(explainError(socket.errors[0])).toContain("ENETDOWN");
    expect(() => socket.send(frame(1))).toThrow("ENETDOWN");
    socket.close();
    links.deleteLink(index);
    expect(() => listen(a, index)).toThrow(/open a packet socket .*ENODEV/);
    links.close();
  });

  test("works in a worker thread that is then terminated", async () => {
    const source = new URL("./support/packet-worker.ts", import.meta.url);
    const worker = new Worker(source, { workerData: { netns: b.path, ifindex: right } });
    let ready = false;
    const markers: number[] = [];
    worker.on("message", (message: number | "ready") => {
      if (message === "ready") ready = true;
      else markers.push(message);
    });
    await waitFor("the worker", () => ready, { deadline: 5000 });
    const sender = listen(a, left);
    for (let i = 0; i < 100; i++) sender.send(frame(i));
    await waitFor("100 frames", () => markers.length === 100, { deadline: 1000 });
    expect(await worker.terminate()).toBe(1);
    sender.close();
  });

  test("leaves no descriptor open, also after a refusal", () => {
    const count = () => readdirSync("/proc/self/fd").length;
    const before = count();
    // The kernel takes 12 ms for each close, hence no more of them.
    for (let i = 0; i < 100; i++) listen(a, left).close();
    for (let i = 0; i < 20; i++) expect(() => listen(a, 9999)).toThrow("ENODEV");
    expect(count()).toBe(before);
  });
});
