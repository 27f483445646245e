/** A counter of TCP in a network namespace, as /proc/net/netstat has it: "TCPMD5Failure". */
export async function tcpCount(
  inNamespace: (program: string, ...args: readonly string[]) => Promise<string>,
  name: string,
): Promise<number> {
  const [names = "", values = ""] = (await inNamespace("grep", "TcpExt", "/proc/net/netstat")).split("\n");
  return Number(values.split(" ")[names.split(" ").indexOf(name)]);
}
