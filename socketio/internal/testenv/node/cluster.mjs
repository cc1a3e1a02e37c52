// Two Node.js servers in one cluster: cluster.mjs REDIS_URL[,REDIS_URL...] ADAPTER. Several URLs are the nodes of a Redis
// Cluster. It prints the ports of the servers first.
import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient, createCluster } from "redis";
import { Server } from "socket.io";
import { say, serve } from "./lines.mjs";

const [, , url, kind] = process.argv;
const client = async () => {
  const urls = url.split(",");
  const c = urls.length > 1 ? createCluster({ rootNodes: urls.map((url) => ({ url })) }) : createClient({ url });
  c.on("error", () => {});
  await c.connect();
  return c;
};
const adapters = {
  classic: async () => createAdapter(await client(), await client()),
  specific: async () => createAdapter(await client(), await client(), { publishOnSpecificResponseChannel: true }),
  sharded: async () => createShardedAdapter(await client(), await client()),
  streams: async () => createStreamsAdapter(await client()),
};

async function start(i) {
  const http = createServer();
  const io = new Server(http, {
    adapter: await adapters[kind](),
    ...(kind === "streams" ? { connectionStateRecovery: {} } : {}),
  });
  io.on("connection", (socket) => {
    socket.data = { at: `node${i}` };
  });
  io.on("ask", (v, cb) => cb(`node${i} got ${v}`));
  io.on("tell", (...args) => io.told.push(args));
  io.told = [];
  await new Promise((r) => http.listen(0, "127.0.0.1", r));
  return { io, port: http.address().port };
}

const nodes = [await start(0), await start(1)];
const emitter = new Emitter(await client());
await new Promise((r) => setTimeout(r, 200)); // the adapters do not report when they have subscribed
say({ ports: nodes.map((n) => n.port) });

// select applies {to, except, volatile, timeout} to an operator.
const select = (c) => {
  let o = c.emitter ? emitter : nodes[c.node ?? 0].io;
  if (c.to) o = o.to(c.to);
  if (c.except) o = o.except(c.except);
  if (c.volatile) o = o.volatile;
  if (c.timeout) o = o.timeout(c.timeout);
  return o;
};
const rich = (v) => (v && typeof v === "object" && v.bytes ? Buffer.from(v.bytes) : v);
const plain = (v) => (Buffer.isBuffer(v) ? { bytes: [...v] } : v);

await serve({
  emit: (c) => {
    select(c).emit(...c.args.map(rich));
  },
  ask: async (c) => (await select(c).emitWithAck(...c.args.map(rich))).map(plain),
  join: (c) => {
    select(c).socketsJoin(c.rooms);
  },
  leave: (c) => {
    select(c).socketsLeave(c.rooms);
  },
  disconnect: (c) => {
    select(c).disconnectSockets(c.close);
  },
  fetch: async (c) => (await select(c).fetchSockets()).map(({ id, rooms, data, handshake }) => ({ id, rooms: [...rooms], data, handshake })),
  rooms: async (c) => [...(await nodes[c.node ?? 0].io.of("/").adapter.allRooms())],
  serverSideEmit: (c) => {
    (c.emitter ? emitter : nodes[c.node ?? 0].io).serverSideEmit(...c.args);
  },
  serverSideAsk: (c) => nodes[c.node ?? 0].io.serverSideEmitWithAck(...c.args),
  told: (c) => nodes[c.node ?? 0].io.told.splice(0),
  count: (c) => nodes[c.node ?? 0].io.of("/").adapter.serverCount(),
});
