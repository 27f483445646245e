/**
 * A host of the proxy's lab, in the network namespace it is started in. Arguments: its name and the ports it serves on,
 * over TCP and UDP. It answers everybody with its name and the address it sees them by, at the length of the question;
 * on ports after the first, with the port too. Takes HostOrder messages and answers each with HostAnswer.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export type HostOrder =
  /** Opens a connection, and closes it after the answer. */
  | {
      readonly kind: "ask";
      readonly protocol: "tcp" | "udp";
      readonly host: string;
      readonly port: number;
      readonly timeout: number;
      /** UDP only: the port asked from. */
      readonly from?: number;
      /** Octets of the question, and of the answer; absent: few. */
      readonly size?: number;
    }
  /** Opens a TCP connection that later orders use. */
  | { readonly kind: "open"; readonly host: string; readonly port: number }
  /** Opens and closes connections, one after the other; the answer is a JSON list of milliseconds. */
  | { readonly kind: "time"; readonly host: string; readonly port: number; readonly count: number }
  /** Asks once more over the connection opened. */
  | { readonly kind: "again" }
  /** Opens many connections and keeps them; the answer is how many there are now. */
  | { readonly kind: "hold"; readonly host: string; readonly port: number; readonly count: number }
  /** Asks over every connection kept; the answer is how many answered. */
  | { readonly kind: "holding" }
  /** Resets the connections kept. */
  | { readonly kind: "drop" };

type Ask = Extract<HostOrder, { readonly kind: "ask" }>;

/** "name address" of who answered, or what kept anybody from answering. */
export type HostAnswer = string | "refused" | "silent";

const [name = "", ...ports] = process.argv.slice(2);
const plain = (address: string | undefined) => address?.replace(/^::ffff:/, "");

for (const [i, port] of ports.entries()) serve(i === 0 ? name : `${name}:${port}`, Number(port));

function serve(as: string, port: number): void {
  createServer((socket) => {
    let [size, missing] = [0, 0]; // octets of a question, and of what is still on its way
    socket.on("error", () => {}); // the other side may go without a word
    socket.on("data", (data) => {
      if (missing === 0) missing = size = Number.parseInt(data.toString(), 10);
      missing -= data.length;
      if (missing === 0) socket.write(`${as} ${plain(socket.remoteAddress)}`.padEnd(size));
    });
  }).listen(port, "::");
  for (const type of ["udp4", "udp6"] as const) {
    const server = createSocket({ type, ipv6Only: type === "udp6" });
    server.on("message", (question, from) => {
      server.send(`${as} ${plain(from.address)}`.padEnd(question.length), from.port, from.address);
    });
    server.bind(port);
  }
}

let kept: Socket | undefined;
const held: Socket[] = [];
/** Octets of a question that is no long one. */
const SHORT = 8;
/** Connections opened or asked at once. */
const AT_ONCE = 100;
/** Milliseconds a connection held has to answer: many ask at once. */
const HELD_PATIENCE = 10_000;

process.on("message", async ({ id, order }: { id: number; order: HostOrder }) => {
  process.send?.({ id, answer: await obey(order) });
});
process.on("disconnect", () => process.exit());
process.send?.({ id: 0, answer: "ready" });

async function obey(order: HostOrder): Promise<HostAnswer> {
  switch (order.kind) {
    case "ask":
      return order.protocol === "tcp" ? askTcp(order) : askUdp(order);
    case "open":
      kept = open(order.host, order.port);
      return askOver(kept, 2000);
    case "time":
      return timeConnects(order.host, order.port, order.count);
    case "again":
      return kept === undefined ? "silent" : askOver(kept, 2000);
    case "hold":
      return hold(order.host, order.port, order.count);
    case "holding":
      return String(await askHeld(held));
    case "drop":
      await Promise.all(held.splice(0).map(reset));
      return "dropped";
  }
}

async function hold(host: string, port: number, count: number): Promise<string> {
  while (held.length < count) {
    const more = Array.from({ length: Math.min(AT_ONCE, count - held.length) }, () => open(host, port));
    held.push(...more);
    if ((await askHeld(more)) < more.length) break;
  }
  return String(held.length);
}

/** The other side knows at once: no connection is left behind that a later one could collide with. */
async function reset(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  const closed = once(socket, "close");
  socket.resetAndDestroy();
  await closed;
}

async function askHeld(sockets: readonly Socket[]): Promise<number> {
  let answered = 0;
  for (let i = 0; i < sockets.length; i += AT_ONCE) {
    const answers = await Promise.all(sockets.slice(i, i + AT_ONCE).map((socket) => askOver(socket, HELD_PATIENCE)));
    answered += answers.filter((answer) => answer.startsWith("pod")).length;
  }
  return answered;
}

/** A connection that may break between two questions. */
function open(host: string, port: number): Socket {
  return connect({ host, port }).on("error", () => {});
}

async function askTcp({ host, port, timeout, size }: Ask): Promise<HostAnswer> {
  const socket = open(host, port);
  const answer = await askOver(socket, timeout, size);
  socket.destroy();
  return answer;
}

async function timeConnects(host: string, port: number, count: number): Promise<string> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await new Promise<void>((resolve, reject) => {
      const socket = connect({ host, port }, () => {
        times.push(performance.now() - start);
        socket.resetAndDestroy();
        resolve();
      });
      socket.once("error", reject);
    });
  }
  return JSON.stringify(times);
}

function askOver(socket: Socket, timeout: number, size = SHORT): Promise<HostAnswer> {
  return new Promise((resolve) => {
    let answer = "";
    const onData = (data: Buffer) => {
      answer += data.toString();
      if (answer.length >= size) tell(answer.trimEnd());
    };
    const onError = (error: NodeJS.ErrnoException) => tell(error.code === "ECONNREFUSED" ? "refused" : `${error.code}`);
    const timer = setTimeout(() => tell("silent"), timeout);
    const tell = (result: HostAnswer) => {
      clearTimeout(timer);
      socket.off("data", onData);
      socket.off("error", onError);
      resolve(result);
    };
    socket.on("data", onData);
    socket.on("error", onError);
    socket.write(questionOf(size));
  });
}

function askUdp({ host, port, timeout, from = 0, size = SHORT }: Ask): Promise<HostAnswer> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  return new Promise<HostAnswer>((resolve) => {
    setTimeout(() => resolve("silent"), timeout);
    socket.once("message", (data) => resolve(data.length < size ? "cut short" : data.toString().trimEnd()));
    socket.once("error", () => resolve("refused"));
    socket.bind(from, () => socket.connect(port, host, () => socket.send(questionOf(size), () => {})));
  }).finally(() => socket.close());
}

/** It begins with its length. */
function questionOf(size: number): string {
  return `${size}`.padEnd(size);
}
