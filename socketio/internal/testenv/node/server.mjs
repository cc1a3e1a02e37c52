// An official server that disconnects clients in the way that they ask for: server.mjs OPTIONS. It prints its port first.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { say, serve } from "./lines.mjs";

const http = createServer();
const io = new Server(http, JSON.parse(process.argv[2] ?? "{}"));
const reasons = [];
const ways = {
  disconnect: (s) => s.disconnect(true),
  close: (s) => s.conn.close(),
  selection: (s) => io.in(s.id).disconnectSockets(true),
  stay: () => {},
};
io.on("connection", (s) => {
  s.on("bye", (way, events) => {
    for (let i = 0; i < events; i++) s.emit("count", i);
    ways[way](s);
  });
  s.on("echo", (...args) => s.emit("echo", ...args));
  s.on("ask", (done) => done());
  s.on("disconnect", (why) => reasons.push(why));
});
await new Promise((r) => http.listen(0, "127.0.0.1", r));
say({ port: http.address().port });

await serve({
  reasons: () => reasons.splice(0),
  emit: (c) => {
    io.emit(...c.args);
  },
  volatile: (c) => {
    io.volatile.emit(...c.args);
  },
  elsewhere: (c) => {
    for (let i = 0; i < c.count; i++) io.to("elsewhere").emit("x", "y");
  },
  closeAll: () => {
    for (const s of io.of("/").sockets.values()) s.conn.close();
  },
  count: () => io.engine.clientsCount,
});
