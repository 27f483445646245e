import { connect, createServer, type Socket } from "node:net";

/**
 * A router that means no good, in the namespace it is started in. Arguments: how, address of this router, address of the
 * node.
 *
 * silent   accepts, speaks until the session is up, and then reads and says nothing
 * flood    the same, and then sends UPDATEs as fast as they go
 * flap     hangs up as soon as the session is up, again and again
 * garbage  answers with random octets
 * crowd    opens 1,000 connections to the node's BGP port and says nothing
 */
const [how = "", own = "", node = ""] = process.argv.slice(2);
const MARKER = Buffer.alloc(16, 0xff);
const message = (type: number, body: Buffer) => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(19 + body.length);
  return Buffer.concat([MARKER, length, Buffer.of(type), body]);
};
const OPEN = message(1, Buffer.from("04fc0000b4c0000203" + "00", "hex")); // AS 64512, hold time 180, 192.0.2.3
const KEEPALIVE = message(4, Buffer.alloc(0));
const attributes = Buffer.from("40010100400206020100" + "00fc00" + "400304c0000203", "hex");

function flood(socket: Socket): void {
  const prefixes = Buffer.concat(
    Array.from({ length: 700 }, (_, i) => Buffer.of(32, 10, Math.floor(Math.random() * 256), i >> 8, i & 0xff)),
  );
  const body = Buffer.concat([Buffer.of(0, 0, 0, attributes.length), attributes, prefixes]);
  const update = message(2, body);
  const more = () => {
    while (socket.writable && socket.write(update)) {}
  };
  socket.on("drain", more);
  more();
}

function greet(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  if (how === "garbage") {
    socket.write(Buffer.from(Array.from({ length: 3000 }, () => Math.floor(Math.random() * 256))));
    return;
  }
  socket.write(Buffer.concat([OPEN, KEEPALIVE]));
  let heard = 0;
  socket.on("data", (bytes) => {
    heard += bytes.length;
    if (heard < 48) return; // an OPEN and a KEEPALIVE at the least
    if (how === "flap") setTimeout(() => socket.destroy(), 100);
    if (how === "silent" || how === "flood") socket.pause();
    if (how === "flood") flood(socket);
    heard = Number.NEGATIVE_INFINITY;
  });
}

if (how === "crowd") {
  const open = () => {
    const socket = connect({ host: node, port: 179, localAddress: own });
    socket.on("error", () => {});
    socket.on("close", () => setTimeout(open, 100));
  };
  for (let i = 0; i < 1000; i++) open();
} else {
  createServer(greet).listen(179, own);
}
process.on("SIGTERM", () => process.exit(0));
