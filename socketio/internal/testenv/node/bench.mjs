// The Node.js side of the benchmark: bench.mjs PORT [REDIS_URL]
import { createServer } from "node:http";
import { Server } from "socket.io";

const [, , port, url] = process.argv;
const http = createServer();
const options = { transports: ["websocket"], perMessageDeflate: false };
if (url) {
  const { createAdapter } = await import("@socket.io/redis-adapter");
  const { createClient } = await import("redis");
  const pub = createClient({ url });
  const sub = pub.duplicate();
  await Promise.all([pub.connect(), sub.connect()]);
  options.adapter = createAdapter(pub, sub);
}
const io = new Server(http, options);
io.on("connection", (socket) => {
  socket.on("ack", (v, cb) => cb(v));
  socket.on("echo", (v) => socket.emit("echo", v));
  socket.on("all", (v) => io.emit("all", v));
});
http.listen(Number(port), "127.0.0.1", 4096, () => console.log("ready"));
