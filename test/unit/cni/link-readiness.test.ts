import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { whenOperational } from "../../../cni/link-readiness.ts";
import { fakeRtnetlink } from "../../../linux/mod.ts";
import { parseMac } from "../../../net/mod.ts";

const MAC = parseMac("02:00:00:00:00:01");

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("whenOperational() ends once packets pass the link", async () => {
  const kernel = fakeRtnetlink();
  const index = kernel.createBridge({ name: "br0", mac: MAC, mtu: 1500 });
  let isDone = false;
  const done = whenOperational(kernel, "br0").then(() => {
    isDone = true;
  });
  await vi.advanceTimersByTimeAsync(100);
  expect(isDone).toBe(false);
  kernel.setLink(index, { up: true });
  await vi.advanceTimersByTimeAsync(10);
  await done;
});

test("whenOperational() gives up and names the interface", async () => {
  const kernel = fakeRtnetlink();
  kernel.createBridge({ name: "br0", mac: MAC, mtu: 1500 });
  const done = expect(whenOperational(kernel, "br0")).rejects.toMatchObject({
    code: 11,
    message: "interface br0 passes no packets 2000 ms after it was set up",
  });
  await vi.advanceTimersByTimeAsync(3000);
  await done;
});
