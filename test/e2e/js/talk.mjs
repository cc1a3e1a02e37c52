// talk.mjs URL: connects Socket.IO clients through a load balancer until one is with a Go server and one with a Node.js server, lets them
// talk, and does so over every transport. Prints for each transport which runtimes heard which.
import { io } from "socket.io-client";

const url = process.argv[2];
const modes = {
  websocket: { transports: ["websocket"] },
  // withCredentials keeps cookies in Node.js, so that polls stay with the server that knows the session.
  polling: { transports: ["polling"], withCredentials: true },
  upgrade: { transports: ["polling", "websocket"], withCredentials: true },
};
const result = {};
for (const [mode, options] of Object.entries(modes)) {
  const clients = await both(options);
  result[mode] = {};
  for (const [speaker, listener] of [["go", "node"], ["node", "go"]]) {
    const text = `${speaker} over ${mode}`;
    const heard = new Promise((resolve) => clients[listener].on("message", (m) => m.text === text && resolve(m.server.runtime)));
    await clients[speaker].timeout(5000).emitWithAck("message", text);
    result[mode][`${listener} heard`] = await within(heard, `${listener} hears "${text}"`);
  }
  const { people } = await clients.go.timeout(5000).emitWithAck("who", null);
  result[mode].online = people.map((p) => p.server.runtime).sort().filter((r, i, all) => all.indexOf(r) === i);
  result[mode].transports = Object.values(clients).map((c) => c.io.engine.transport.name);
  for (const c of Object.values(clients)) c.close();
}
console.log(JSON.stringify(result));

// both connects clients until it has one on each runtime.
async function both(options) {
  const clients = {};
  for (let i = 0; i < 12 && Object.keys(clients).length < 2; i++) {
    const socket = io(url, { ...options, forceNew: true, reconnection: false, auth: { name: `e2e-${i}` } });
    const welcome = await within(new Promise((resolve, reject) => {
      socket.on("welcome", resolve);
      socket.on("connect_error", reject);
    }), "welcome");
    if (options.transports.length > 1) {
      const { engine } = socket.io;
      if (engine.transport.name !== "websocket") await within(new Promise((resolve) => engine.on("upgrade", resolve)), "the upgrade");
    }
    if (clients[welcome.server.runtime]) socket.close();
    else clients[welcome.server.runtime] = socket;
  }
  if (!clients.go || !clients.node) throw new Error(`twelve clients are all on ${Object.keys(clients)}`);
  return clients;
}

function within(promise, what) {
  return Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error(`not in time: ${what}`)), 10000).unref())]);
}
