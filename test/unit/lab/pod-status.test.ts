import { describe, expect, test } from "vitest";
import type { V1Pod } from "../../../kube/mod.ts";
import { type ContainerView, podStatus } from "../../../lab/pod-status.ts";

const began = new Date("2026-01-01T00:00:00Z");
const running = (ready = true): ContainerView => ({
  name: "c",
  image: "nginx",
  state: { kind: "running", startedAt: began },
  restarts: 0,
  ready,
});
const exited = (exitCode: number): ContainerView => ({
  ...running(false),
  state: { kind: "exited", startedAt: began, exit: { exitCode, finishedAt: began } },
});
const waiting = (previous?: ContainerView["previous"]): ContainerView => ({
  ...running(false),
  state: { kind: "waiting", reason: "ContainerCreating" },
  ...(previous !== undefined ? { previous } : {}),
});
const status = (containers: ContainerView[], pod: V1Pod = {}, initContainers: ContainerView[] = [], now = "now") =>
  podStatus(pod, { hostIP: "h", podIPs: ["10.244.1.2"], containers, initContainers, startTime: "t" }, now);
const withPolicy = (restartPolicy: string): V1Pod => ({ spec: { containers: [], restartPolicy } });

describe("podStatus()", () => {
  const previous = { startedAt: began, exit: { exitCode: 1, finishedAt: began } };
  test.each([
    { name: "a container that was never started", containers: [running(), waiting()], want: "Pending" },
    { name: "a container that waits to be started again", containers: [waiting(previous)], want: "Running" },
    { name: "all running", containers: [running()], want: "Running" },
    { name: "all ended, restart always", containers: [exited(0)], want: "Running" },
    { name: "all ended well, restart on failure", policy: "OnFailure", containers: [exited(0)], want: "Succeeded" },
    { name: "one ended badly, restart on failure", policy: "OnFailure", containers: [exited(1)], want: "Running" },
    { name: "one ended badly, restart never", policy: "Never", containers: [exited(0), exited(1)], want: "Failed" },
    {
      name: "one ended, one runs, restart never",
      policy: "Never",
      containers: [exited(0), running()],
      want: "Running",
    },
  ])("phase with $name is $want", ({ containers, policy = "Always", want }) => {
    expect(status(containers, withPolicy(policy)).phase).toBe(want);
  });

  const conditionOf = (type: string, of: ReturnType<typeof status>) => of.conditions?.find((one) => one.type === type);

  test("is ready when every container is, and every readiness gate is open", () => {
    expect(conditionOf("Ready", status([running(), running()]))?.status).toBe("True");
    expect(conditionOf("Ready", status([running(), running(false)]))?.status).toBe("False");
    const gated = { spec: { containers: [], readinessGates: [{ conditionType: "example.com/open" }] } };
    expect(conditionOf("Ready", status([running()], gated))?.status).toBe("False");
    const open = { ...gated, status: { conditions: [{ type: "example.com/open", status: "True" }] } };
    expect(conditionOf("Ready", status([running()], open))?.status).toBe("True");
    expect(conditionOf("example.com/open", status([running()], open))?.status).toBe("True");
  });

  test("keeps the time of a condition that did not change", () => {
    const first = status([running()], {}, [], "then");
    const second = status([running(false)], { status: first }, [], "now");
    expect(conditionOf("PodScheduled", second)?.lastTransitionTime).toBe("then");
    expect(conditionOf("Ready", second)?.lastTransitionTime).toBe("now");
  });

  test("is not initialized before every init container has ended well", () => {
    expect(conditionOf("Initialized", status([waiting()], {}, [running()]))?.status).toBe("False");
    expect(conditionOf("Initialized", status([waiting()], {}, [exited(0)]))?.status).toBe("True");
  });
});
