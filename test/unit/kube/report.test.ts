import { describe, expect, test } from "vitest";
import { fakeClock, silentLog } from "../../../core/mod.ts";
import { createReporter, EVENTS, type EventNote, fakeKubeClient, NODES, SERVICES } from "../../../kube/mod.ts";

const web = { metadata: { name: "web", namespace: "shop", uid: "u1", resourceVersion: "7" } };
const note: EventNote = { type: "Normal", reason: "IPAllocated", message: 'Assigned IP ["192.0.2.1"]' };
const minutes = (n: number) => n * 60_000;

function setUp() {
  const client = fakeKubeClient();
  const clock = fakeClock(Date.parse("2026-01-01T00:00:00Z"));
  return { client, clock, reporter: createReporter(client, "ironbridge-controller", silentLog(), clock) };
}

describe("createReporter()", () => {
  test("writes an Event as kubectl describe looks for it", async () => {
    const { client, reporter } = setUp();
    reporter.event(SERVICES, web, note);
    await reporter.flush();
    const [event] = client.objects(EVENTS);
    expect(event).toMatchObject({
      metadata: { name: expect.stringMatching(/^web\.[0-9a-f]{16}$/), namespace: "shop" },
      involvedObject: {
        apiVersion: "v1",
        kind: "Service",
        name: "web",
        namespace: "shop",
        uid: "u1",
        resourceVersion: "7",
      },
      ...note,
      source: { component: "ironbridge-controller" },
      count: 1,
      firstTimestamp: "2026-01-01T00:00:00Z",
      lastTimestamp: "2026-01-01T00:00:00Z",
    });
  });

  test("puts events on cluster-scoped objects into the default namespace", async () => {
    const { client, reporter } = setUp();
    reporter.event(NODES, { metadata: { name: "node1" } }, note);
    await reporter.flush();
    expect(client.objects(EVENTS)[0]).toMatchObject({
      metadata: { namespace: "default" },
      involvedObject: { kind: "Node", name: "node1" },
    });
  });

  test("counts up the same note on the same object", async () => {
    const { client, clock, reporter } = setUp();
    reporter.event(SERVICES, web, note);
    await reporter.flush();
    clock.advance(minutes(2));
    reporter.event(SERVICES, web, note);
    reporter.event(SERVICES, web, note);
    await reporter.flush();
    expect(client.objects(EVENTS)).toEqual([
      expect.objectContaining({
        count: 3,
        firstTimestamp: "2026-01-01T00:00:00Z",
        lastTimestamp: "2026-01-01T00:02:00Z",
      }),
    ]);
    expect(client.calls.map((call) => call.split(" ")[0])).toEqual(["create", "patch"]);
  });

  test.each([
    { name: "another message", object: web, other: { ...note, message: "other" }, wait: 0 },
    { name: "another object", object: { metadata: { ...web.metadata, uid: "u2" } }, other: note, wait: 0 },
    { name: "the same after a long time", object: web, other: note, wait: minutes(11) },
  ])("writes a new Event for $name", async ({ object, other, wait }) => {
    const { client, clock, reporter } = setUp();
    reporter.event(SERVICES, web, note);
    await reporter.flush();
    clock.advance(wait);
    reporter.event(SERVICES, object, other);
    await reporter.flush();
    expect(client.objects(EVENTS).map(({ count }) => count)).toEqual([1, 1]);
  });

  test("writes the Event anew when the API server has forgotten it", async () => {
    const { client, reporter } = setUp();
    reporter.event(SERVICES, web, note);
    await reporter.flush();
    const { name = "" } = client.objects(EVENTS)[0]?.metadata ?? {};
    await client.delete(EVENTS, { name, namespace: "shop" });
    reporter.event(SERVICES, web, note);
    await reporter.flush();
    expect(client.objects(EVENTS)).toEqual([expect.objectContaining({ count: 2 })]);
  });

  test("tries again when the API server does not answer, and gives up a refused note", async () => {
    const { client, reporter } = setUp();
    client.fail("create", "unreachable");
    client.fail("create", 403);
    reporter.event(SERVICES, web, note);
    reporter.event(SERVICES, web, { ...note, reason: "Second" });
    reporter.event(SERVICES, web, { ...note, reason: "Third" });
    await reporter.flush();
    expect(client.objects(EVENTS).map(({ reason }) => reason)).toEqual(["Second", "Third"]);
  });

  test("bounds what waits, and says nothing to its caller", async () => {
    const { client, reporter } = setUp();
    for (let i = 0; i < 1_500; i++) reporter.event(SERVICES, web, { ...note, message: String(i) });
    await reporter.flush();
    expect(client.objects(EVENTS)).toHaveLength(1_000);
  });

  test("shortens a message that the API server would refuse", async () => {
    const { client, reporter } = setUp();
    reporter.event(SERVICES, web, { ...note, message: "x".repeat(3_000) });
    await reporter.flush();
    expect(client.objects(EVENTS)[0]?.message).toHaveLength(1_024);
  });
});
