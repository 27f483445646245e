import type { V1Pod } from "../kube/mod.ts";
import type { ContainerExit } from "./container.ts";

type PodStatus = NonNullable<V1Pod["status"]>;
type ContainerStatus = NonNullable<PodStatus["containerStatuses"]>[number];
type Condition = NonNullable<PodStatus["conditions"]>[number];

/** One container as it is now. */
export interface ContainerView {
  readonly name: string;
  readonly image: string;
  readonly state:
    | { readonly kind: "waiting"; readonly reason: string; readonly message?: string }
    | { readonly kind: "running"; readonly startedAt: Date }
    | { readonly kind: "exited"; readonly startedAt: Date; readonly exit: ContainerExit };
  readonly previous?: { readonly startedAt: Date; readonly exit: ContainerExit };
  readonly restarts: number;
  /** The readiness probe passes, or there is none. */
  readonly ready: boolean;
}

export interface PodView {
  readonly hostIP: string;
  /** Empty before the sandbox is there. */
  readonly podIPs: readonly string[];
  readonly initContainers: readonly ContainerView[];
  readonly containers: readonly ContainerView[];
  readonly startTime: string;
}

/** What the kubelet writes into a pod's status. Pure; `now` stamps the conditions that changed. */
export function podStatus(pod: V1Pod, view: PodView, now: string): PodStatus {
  const initialized = view.initContainers.every(({ state }) => state.kind === "exited" && state.exit.exitCode === 0);
  const allReady = view.containers.every((container) => container.ready && container.state.kind === "running");
  const before = pod.status?.conditions ?? [];
  const gatesOpen = (pod.spec?.readinessGates ?? []).every(({ conditionType }) =>
    before.some(({ type, status }) => type === conditionType && status === "True"),
  );
  const condition = (type: string, holds: boolean, reason: string): Condition => {
    const old = before.find((other) => other.type === type);
    const status = holds ? "True" : "False";
    const lastTransitionTime = old?.status === status ? (old.lastTransitionTime ?? now) : now;
    return { type, status, lastTransitionTime, ...(holds ? {} : { reason }) };
  };
  const own = [
    condition("PodReadyToStartContainers", view.podIPs.length > 0, "NoSandbox"),
    condition("Initialized", initialized, "ContainersNotInitialized"),
    condition("Ready", allReady && gatesOpen, "ContainersNotReady"),
    condition("ContainersReady", allReady, "ContainersNotReady"),
    condition("PodScheduled", true, ""),
  ];
  const foreign = before.filter(({ type }) => !own.some((one) => one.type === type));
  return {
    phase: phaseOf(pod, view),
    conditions: [...own, ...foreign],
    hostIP: view.hostIP,
    hostIPs: [{ ip: view.hostIP }],
    ...(view.podIPs.length > 0 ? { podIP: view.podIPs[0]!, podIPs: view.podIPs.map((ip) => ({ ip })) } : {}),
    startTime: view.startTime,
    qosClass: "BestEffort",
    ...(view.initContainers.length > 0 ? { initContainerStatuses: view.initContainers.map(initStatus) } : {}),
    containerStatuses: view.containers.map(containerStatus),
  };
}

function phaseOf(pod: V1Pod, { initContainers, containers }: PodView): string {
  const policy = pod.spec?.restartPolicy ?? "Always";
  const failed = ({ state }: ContainerView) => state.kind === "exited" && state.exit.exitCode !== 0;
  if (policy === "Never" && initContainers.some(failed)) return "Failed";
  const ended = containers.every(({ state }) => state.kind === "exited");
  if (ended && policy !== "Always") {
    if (!containers.some(failed)) return "Succeeded";
    if (policy === "Never") return "Failed";
  }
  const neverStarted = ({ state, previous }: ContainerView) => state.kind === "waiting" && previous === undefined;
  return containers.some(neverStarted) ? "Pending" : "Running";
}

/** An init container counts as ready once it has done its work. */
function initStatus(view: ContainerView): ContainerStatus {
  const status = containerStatus(view);
  return { ...status, ready: status.state?.terminated?.exitCode === 0 };
}

function containerStatus(view: ContainerView): ContainerStatus {
  const { state } = view;
  const running = state.kind === "running";
  return {
    name: view.name,
    image: view.image,
    imageID: running ? `lab://${view.image}` : "",
    ready: running && view.ready,
    started: running,
    restartCount: view.restarts,
    state:
      state.kind === "running"
        ? { running: { startedAt: state.startedAt.toISOString() } }
        : state.kind === "exited"
          ? { terminated: terminated(state) }
          : { waiting: { reason: state.reason, ...(state.message !== undefined ? { message: state.message } : {}) } },
    ...(view.previous !== undefined ? { lastState: { terminated: terminated(view.previous) } } : {}),
  };
}

function terminated({ startedAt, exit }: { readonly startedAt: Date; readonly exit: ContainerExit }) {
  return {
    exitCode: exit.exitCode,
    reason: exit.exitCode === 0 ? "Completed" : "Error",
    startedAt: startedAt.toISOString(),
    finishedAt: exit.finishedAt.toISOString(),
  };
}
