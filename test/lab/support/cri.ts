import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { encodeFields, type Field, fieldsOf, textOf } from "./protobuf.ts";

/** A pod as the kubelet describes it to a container runtime. */
export interface PodConfig {
  readonly name: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly hostPort?: number;
}

/**
 * The kubelet's way to a container runtime: gRPC on its socket.
 * https://github.com/kubernetes/cri-api, pkg/apis/runtime/v1/api.proto
 */
export interface Cri {
  /** True when the runtime and its network are ready. */
  ready(): Promise<boolean>;
  /** Gives the pod's identifier. */
  runPod(pod: PodConfig): Promise<string>;
  /** Starts a container of an image that the runtime has. */
  runContainer(podId: string, pod: PodConfig, image: string, command: readonly string[]): Promise<void>;
  addressesOf(podId: string): Promise<string[]>;
  listPods(): Promise<string[]>;
  /** Removes the pod with its containers. */
  removePod(podId: string): Promise<void>;
}

const CONTAINER_PORT = 8080;

export function openCri(socketPath: string): Cri {
  const call = (method: string, fields: readonly Field[]) => request(socketPath, method, encodeFields(fields));
  return {
    ready: async () => {
      const [status = Buffer.alloc(0)] = fieldsOf(await call("Status", []), 1);
      const reasons = fieldsOf(status, 1).map((condition) => textOf(condition, 3));
      return reasons.every((reason) => reason === "");
    },
    runPod: async (pod) => textOf(await call("RunPodSandbox", [[1, podFields(pod)]]), 1),
    runContainer: async (podId, pod, image, command) => {
      const container: Field[] = [[1, [[1, "main"]]], [2, [[1, image]]], ...command.map((word): Field => [3, word])];
      const created = await call("CreateContainer", [
        [1, podId],
        [2, container],
        [3, podFields(pod)],
      ]);
      await call("StartContainer", [[1, textOf(created, 1)]]);
    },
    addressesOf: async (podId) => {
      const [status = Buffer.alloc(0)] = fieldsOf(await call("PodSandboxStatus", [[1, podId]]), 1);
      const [network = Buffer.alloc(0)] = fieldsOf(status, 5);
      return [textOf(network, 1), ...fieldsOf(network, 2).map((entry) => textOf(entry, 1))];
    },
    listPods: async () => fieldsOf(await call("ListPodSandbox", []), 1).map((pod) => textOf(pod, 1)),
    removePod: async (podId) => {
      await call("StopPodSandbox", [[1, podId]]);
      await call("RemovePodSandbox", [[1, podId]]);
    },
  };
}

function podFields({ name, annotations = {}, hostPort }: PodConfig): Field[] {
  const metadata: Field[] = [
    [1, name],
    [2, `uid-${name}`],
    [3, "default"],
  ];
  const fields: Field[] = [
    [1, metadata],
    [2, name],
  ];
  if (hostPort !== undefined)
    fields.push([
      5,
      [
        [2, CONTAINER_PORT],
        [3, hostPort],
      ],
    ]);
  for (const [key, value] of Object.entries(annotations))
    fields.push([
      7,
      [
        [1, key],
        [2, value],
      ],
    ]);
  return fields;
}

/** One call of the service RuntimeService; a frame is a flag, a length of 32 bits and a message. */
function request(socketPath: string, method: string, message: Buffer): Promise<Buffer> {
  const session = connectHttp2("http://runtime", { createConnection: () => connect(socketPath) });
  const stream = session.request({
    ":method": "POST",
    ":path": `/runtime.v1.RuntimeService/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([header, message]));
  return new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let status = "";
    let words = "";
    const note = (headers: Readonly<Record<string, unknown>>) => {
      status = String(headers["grpc-status"] ?? status);
      words = String(headers["grpc-message"] ?? words);
    };
    stream.on("response", note).on("trailers", note);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    session.on("error", reject);
    stream.on("close", () => {
      session.close();
      if (status === "0") resolve(Buffer.concat(chunks).subarray(5));
      else reject(new Error(`${method}: ${words || "the runtime went away"}`));
    });
  });
}
