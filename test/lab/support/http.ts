import { createServer, type Server } from "node:http";
import { basename } from "node:path";
import { exec, openNetns, runInNetns } from "../../../linux/mod.ts";

/** An HTTP server in the namespace at `netns`, on all its addresses, that tells each client the address it sees it by. */
export function listenIn(netns: string, port: number): Server {
  const namespace = openNetns(netns);
  try {
    const server = createServer((request, response) => {
      response.setHeader("connection", "close");
      response.end(request.socket.remoteAddress?.replace(/^::ffff:/, ""));
    });
    // Without a host name the socket is made before listen() returns, that is inside the namespace.
    return runInNetns(namespace, () => server.listen(port));
  } finally {
    namespace.close();
  }
}

/** What a server of listenIn() says to a client in the namespace at `netns`. Gives up after a second. */
export function askFrom(netns: string, host: string, port: number): Promise<string> {
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}/`;
  return exec("ip", ["netns", "exec", basename(netns), "curl", "-sS", "--noproxy", "*", "--max-time", "1", url]);
}
