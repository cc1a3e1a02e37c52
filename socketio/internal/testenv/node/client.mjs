// Official clients that a test controls: client.mjs URL
import { io } from "socket.io-client";
import * as msgpack from "socket.io-msgpack-parser";
import { serve } from "./lines.mjs";

const url = process.argv[2];
const clients = new Map();
let started;

const bytes = (v) =>
  Buffer.isBuffer(v) || v instanceof ArrayBuffer ? { bytes: [...new Uint8Array(v.buffer ? Uint8Array.from(v) : v)] } : v;
const plain = (v) => {
  if (Buffer.isBuffer(v) || v instanceof ArrayBuffer) return bytes(v);
  if (Array.isArray(v)) return v.map(plain);
  if (v && typeof v === "object") return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]));
  return v;
};
const rich = (v) => {
  if (Array.isArray(v)) return v.map(rich);
  if (v && typeof v === "object") return v.bytes ? Buffer.from(v.bytes) : Object.fromEntries(Object.entries(v).map(([k, x]) => [k, rich(x)]));
  return v;
};

class Client {
  constructor({ nsp = "/", options = {} }) {
    if (options.parser === "msgpack") options = { ...options, parser: msgpack.default ?? msgpack };
    this.seen = [];
    this.waiting = [];
    this.socket = io(url + (nsp === "/" ? "" : nsp), { forceNew: true, ...options });
    this.socket.onAny((event, ...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : null;
      ack?.(...args);
      this.push([event, ...plain(args)]);
    });
    this.socket.on("connect", () => this.push(["connect", this.socket.id, this.socket.recovered]));
    this.socket.on("disconnect", (reason) => this.push(["disconnect", reason]));
    this.socket.on("connect_error", (err) => this.push(["connect_error", err.message, err.data ?? null]));
  }
  push(v) {
    const w = this.waiting.shift();
    w ? w(v) : this.seen.push(v);
  }
  next() {
    return this.seen.length ? this.seen.shift() : new Promise((r) => this.waiting.push(r));
  }
}

// visit connects a client, which sends an event with args at once. When it has disconnected, visit returns its events and
// the reasons of all its disconnects.
const visit = ({ options = {}, args }) =>
  new Promise((done) => {
    const seen = { events: [], reasons: [] };
    const socket = io(url, { forceNew: true, reconnection: false, ...options });
    socket.onAny((...event) => seen.events.push(event));
    if (args) socket.on("connect", () => socket.emit(...args));
    socket.on("connect_error", (err) => done({ ...seen, error: err.message }));
    socket.on("disconnect", (reason) => {
      if (seen.reasons.push(reason) > 1) return;
      // If there is a second "disconnect", it comes with the next packets of the same payload.
      setTimeout(() => done(seen), 20);
    });
  });

await serve({
  visits: (c) => Promise.all(Array.from({ length: c.count }, () => visit(c))),
  startVisits: (c) => {
    started = Promise.all(Array.from({ length: c.count }, () => visit(c)));
  },
  endVisits: () => started,
  open: (c) => {
    clients.set(c.id, new Client(c));
  },
  next: (c) => clients.get(c.id).next(),
  waiting: (c) => clients.get(c.id).seen.length,
  emit: (c) => {
    clients.get(c.id).socket.emit(...rich(c.args));
  },
  flood: (c) => {
    for (let i = 0; i < c.count; i++) clients.get(c.id).socket.emit(...rich(c.args), i);
  },
  ask: async (c) => plain(await clients.get(c.id).socket.timeout(5000).emitWithAck(...rich(c.args))),
  transport: (c) => clients.get(c.id).socket.io.engine.transport.name,
  upgraded: (c) =>
    new Promise((r) => {
      const engine = clients.get(c.id).socket.io.engine;
      engine.transport.name === "websocket" ? r("websocket") : engine.on("upgrade", (t) => r(t.name));
    }),
  drop: (c) => {
    clients.get(c.id).socket.io.engine.close();
  },
  close: (c) => {
    clients.get(c.id).socket.disconnect();
  },
});
