/** A directory or file of the node, or of the pod, as a container sees it. */
export interface Volume {
  readonly name: string;
  readonly mountPath: string;
  /** Of the node; absent: an empty directory that the pod's containers share. */
  readonly hostPath?: string;
  /** What the kubelet makes when there is none; Directory: it must be there. */
  readonly type?: "DirectoryOrCreate" | "Directory" | "FileOrCreate";
  readonly readOnly?: true;
  /** What is mounted below it on the node later is seen in the container. */
  readonly follow?: true;
}

/** Its entry among the volumes of the pod. */
export function volumeOf({ name, hostPath, type = "DirectoryOrCreate" }: Volume): object {
  return hostPath === undefined
    ? { name, emptyDir: { sizeLimit: "1Mi" } }
    : { name, hostPath: { path: hostPath, type } };
}

/** Its entry among the mounts of a container. */
export function mountOf({ name, mountPath, readOnly, follow }: Volume): object {
  return {
    name,
    mountPath,
    ...(readOnly ? { readOnly } : {}),
    ...(follow ? { mountPropagation: "HostToContainer" } : {}),
  };
}
