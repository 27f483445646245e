import { createServer, type Socket } from "node:net";
import { BgpFramer, decodeBgpMessage, encodeBgpMessage } from "../../../net/mod.ts";

/** What a sink tells its parent after each piece it read. */
export interface SinkReport {
  readonly address: string;
  /** Milliseconds since 1970, with fractions. */
  readonly at: number;
  /** Prefixes announced so far, each time counted. */
  readonly announced: number;
}

/** Routers that only listen, in the namespace this is started in. Arguments: their addresses. AS 64512. */
const WIDE = { fourOctetAsn: true };

function serve(address: string, socket: Socket): void {
  const framer = new BgpFramer();
  const routerId = Number(address.split(".").at(-1));
  const capabilities = [{ kind: "fourOctetAsn" as const, asn: 64512 }];
  let announced = 0;
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes) => {
    const at = performance.timeOrigin + performance.now();
    framer.push(bytes);
    for (let each = framer.next(); each !== undefined; each = framer.next()) {
      const message = decodeBgpMessage(each, WIDE);
      if (message.type === "open") {
        const open = { asn: 64512, holdTime: 90, routerId, capabilities };
        socket.write(encodeBgpMessage({ type: "open", open }, WIDE));
        socket.write(encodeBgpMessage({ type: "keepalive" }, WIDE));
      }
      if (message.type === "keepalive") socket.write(encodeBgpMessage({ type: "keepalive" }, WIDE));
      if (message.type === "update") announced += message.update.announced.length;
    }
    const report: SinkReport = { address, at, announced };
    process.send?.(report);
  });
}

for (const address of process.argv.slice(2)) {
  createServer((socket) => serve(address, socket)).listen(179, address);
}
