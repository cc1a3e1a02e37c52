// stay.mjs URL N: keeps N Socket.IO clients connected, each of which sends a message each second, until the standard input ends. Prints
// what happened to each: how often it was connected, on which servers, and whether it is connected and answered at the end.
import { io } from "socket.io-client";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const clients = Array.from({ length: count }, (_, n) => {
  const socket = io(url, { transports: ["websocket"], forceNew: true, auth: { name: `stays-${n}` }, reconnectionDelay: 100, reconnectionDelayMax: 500 });
  const client = { socket, connects: 0, answered: 0, servers: [], ended: [] };
  socket.on("connect", () => client.connects++);
  socket.on("welcome", (w) => client.servers.push(w.server.task ?? w.server.host));
  socket.on("disconnect", (reason) => client.ended.push(reason));
  return client;
});
const speak = (client) => client.socket.timeout(5000).emitWithAck("message", "still here").then(() => client.answered++);
const timer = setInterval(() => clients.filter((c) => c.socket.connected).forEach((c) => speak(c).catch(() => {})), 1000);

process.stdin.resume().on("end", async () => {
  clearInterval(timer);
  const result = [];
  for (const client of clients) {
    const { socket, connects, answered, servers, ended } = client;
    const last = await speak(client).then(() => "", (err) => String(err)); // it is sent after the connection if that is lost just now
    result.push({ connects, answered, servers, ended: [...ended], connected: socket.connected, last });
    socket.close();
  }
  console.log(JSON.stringify(result));
});
