import { type ApiObject, isList, isObject, type Json, type JsonObject, listAt, numberAt, objectAt } from "./json.ts";

/** The fields a real API server fills in a Pod. */
export function podDefaults(pod: ApiObject): ApiObject {
  return {
    ...pod,
    spec: podSpecDefaults(objectAt(pod, "spec")),
    status: pod.status ?? { phase: "Pending", qosClass: "BestEffort" },
  };
}

function podSpecDefaults(spec: JsonObject): JsonObject {
  const containers = (field: string) => (isList(spec[field]) ? { [field]: spec[field].map(containerDefaults) } : {});
  return {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    schedulerName: "default-scheduler",
    securityContext: {},
    enableServiceLinks: true,
    ...spec,
    ...containers("containers"),
    ...containers("initContainers"),
  };
}

const PROBE = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };

function containerDefaults(container: Json): Json {
  if (!isObject(container)) return container;
  const image = typeof container.image === "string" ? container.image : "";
  const result: Record<string, Json | undefined> = {
    resources: {},
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: /:(?!latest$)[^/]+$|@/.test(image) ? "IfNotPresent" : "Always",
    ...container,
  };
  if (isList(container.ports)) {
    result.ports = container.ports.map((port) => (isObject(port) ? { protocol: "TCP", ...port } : port));
  }
  for (const probe of ["readinessProbe", "livenessProbe", "startupProbe"]) {
    const given = container[probe];
    if (isObject(given)) result[probe] = { ...PROBE, ...given, ...probeScheme(given) };
  }
  return result;
}

function probeScheme(probe: JsonObject): JsonObject {
  return isObject(probe.httpGet) ? { httpGet: { path: "/", scheme: "HTTP", ...probe.httpGet } } : {};
}

function withTemplate(object: ApiObject, spec: JsonObject): ApiObject {
  const template = objectAt(object, "spec", "template");
  const podSpec = podSpecDefaults(objectAt(template, "spec"));
  return { ...object, spec: { ...spec, template: { ...template, spec: podSpec } }, status: object.status ?? {} };
}

export function deploymentDefaults(deployment: ApiObject): ApiObject {
  const spec = objectAt(deployment, "spec");
  const type = objectAt(spec, "strategy").type ?? "RollingUpdate";
  const rollingUpdate = { maxUnavailable: "25%", maxSurge: "25%", ...objectAt(spec, "strategy", "rollingUpdate") };
  return withTemplate(deployment, {
    replicas: 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    ...spec,
    strategy: type === "RollingUpdate" ? { type, rollingUpdate } : { type },
  });
}

export function replicaSetDefaults(set: ApiObject): ApiObject {
  const spec = objectAt(set, "spec");
  const defaulted = withTemplate(set, { replicas: 1, ...spec });
  return set.status === undefined ? { ...defaulted, status: { replicas: 0 } } : defaulted;
}

export function daemonSetDefaults(set: ApiObject): ApiObject {
  const rollingUpdate = { maxSurge: 0, maxUnavailable: 1 };
  return withTemplate(set, {
    revisionHistoryLimit: 10,
    updateStrategy: { type: "RollingUpdate", rollingUpdate },
    ...objectAt(set, "spec"),
  });
}

export function statefulSetDefaults(set: ApiObject): ApiObject {
  return withTemplate(set, {
    replicas: 1,
    revisionHistoryLimit: 10,
    podManagementPolicy: "OrderedReady",
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
    ...objectAt(set, "spec"),
  });
}

/** How long a Pod gets to end when a delete does not say. Seconds. */
export function gracePeriodOf(pod: ApiObject): number {
  return numberAt(pod, "spec", "terminationGracePeriodSeconds") ?? 30;
}

/** True when no kubelet runs this Pod any more or yet, so that nobody would confirm its end. */
export function endsAtOnce(pod: ApiObject): boolean {
  const phase = objectAt(pod, "status").phase;
  return !objectAt(pod, "spec").nodeName || phase === "Succeeded" || phase === "Failed";
}

/** The container a log request means when it names none. */
export function onlyContainer(pod: ApiObject): string | undefined {
  const containers = listAt(pod, "spec", "containers");
  const name = containers.length === 1 ? objectAt(containers[0]).name : undefined;
  return typeof name === "string" ? name : undefined;
}
