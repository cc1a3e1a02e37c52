// The article's application: Socket.IO on Node.js with the Redis adapter. It uses exactly the events of the Go
// server in ../chat, so both may serve behind one load balancer with one Redis.
//
// PORT (3000), REDIS_ENDPOINT (redis://host:port; without it the server is alone), DRAIN_SECONDS (5).
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const port = Number(process.env.PORT ?? 3000);
const drainSeconds = Number(process.env.DRAIN_SECONDS ?? 5);
const here = await locate();
const page = join(import.meta.dirname, "page");
const types = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };

// locate asks the ECS task metadata endpoint, when the process runs in a task.
async function locate() {
  const where = { runtime: "node", host: hostname(), port };
  const base = process.env.ECS_CONTAINER_METADATA_URI_V4;
  if (!base) return where;
  try {
    const res = await fetch(`${base}/task`, { signal: AbortSignal.timeout(2000) });
    const task = await res.json();
    where.task = task.TaskARN.split("/").pop();
    where.family = `${task.Family}:${task.Revision}`;
    where.zone = task.AvailabilityZone;
  } catch (err) {
    console.warn("the task metadata endpoint does not answer:", err.message);
  }
  return where;
}

async function serve(req, res) {
  const path = new URL(req.url, "http://chat").pathname;
  if (path === "/whoami") {
    res.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-store" });
    res.end(JSON.stringify(here));
    return;
  }
  const name = path === "/" ? "index.html" : path.slice(1);
  if (!/^[a-z]+\.(html|css|js)$/.test(name)) return res.writeHead(404).end();
  try {
    const body = await readFile(join(page, name));
    res.writeHead(200, { "Content-Type": `${types[name.slice(name.lastIndexOf("."))]}; charset=utf-8` });
    res.end(body);
  } catch {
    res.writeHead(404).end();
  }
}

let redisLost = false;

// connect connects this server with the others. Redis need not run yet, and may be restarted.
async function connect(io) {
  const url = process.env.REDIS_ENDPOINT;
  if (!url) return console.warn("REDIS_ENDPOINT is not set: this server is alone");
  const pub = createClient({ url, disableOfflineQueue: false });
  const sub = pub.duplicate();
  const changed = (lost) => {
    if (lost === redisLost) return;
    redisLost = lost;
    console.log(lost ? "redis is gone: local clients are served" : "redis is back");
    io.local.emit("redis", !lost);
  };
  pub.on("error", () => changed(true));
  pub.on("ready", () => changed(false));
  sub.on("error", () => {});
  const ready = Promise.all([pub.connect(), sub.connect()]);
  io.adapter(createAdapter(pub, sub));
  await ready;
}

const server = createServer(serve);
const io = new Server(server);
await connect(io);

io.on("connection", (socket) => {
  const asked = typeof socket.handshake.auth.name === "string" ? socket.handshake.auth.name.trim() : "";
  const me = { id: socket.id, name: [...asked].slice(0, 32).join("") || `guest-${socket.id.slice(0, 4)}`, server: here };
  Object.assign(socket.data, me);
  socket.emit("welcome", { you: me, server: here, redis: !redisLost });
  socket.broadcast.emit("joined", me);

  socket.on("message", (text, ack) => {
    text = typeof text === "string" ? text.trim() : "";
    if (!text || [...text].length > 2000) return ack?.({ error: "a message is 1 to 2000 characters of text" });
    const at = new Date().toISOString();
    const m = { id: `${socket.id.slice(0, 6)}-${at}`, from: me, text, at, server: here };
    io.emit("message", m);
    ack?.({ id: m.id });
  });

  socket.on("who", async (_, ack) => {
    if (typeof ack !== "function") return;
    let partial = false;
    const sockets = await io.timeout(2000).fetchSockets().catch(() => {
      partial = true;
      return io.local.fetchSockets();
    });
    ack({ people: sockets.filter((s) => s.data.name).map((s) => ({ ...s.data, id: s.id })), partial });
  });

  socket.on("typing", () => socket.volatile.broadcast.emit("typing", me));
  socket.on("disconnect", () => io.emit("left", me));
});

server.listen(port, () => console.log(`chat listens on ${port}, host ${here.host}, task ${here.task ?? "none"}`));

// On SIGTERM the connections are closed one after the other. Clients connect again by themselves, to
// another server, because the server sends no DISCONNECT.
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    const all = [...io.of("/").sockets.values()];
    console.log(`asked to stop, ${all.length} clients`);
    all.forEach((s, i) => setTimeout(() => s.conn.close(), (i * drainSeconds * 1000) / Math.max(1, all.length)));
    setTimeout(() => process.exit(0), drainSeconds * 1000 + 500);
  });
}
