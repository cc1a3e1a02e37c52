// person.mjs MODULES URL NAME: a person in the chat. Prints a line of JSON for each thing that happens; says each line of its input, and prints the answer.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [, , modules, url, name] = process.argv;
const { io } = createRequire(modules + "/")("socket.io-client");
const tell = (what, value) => console.log(JSON.stringify({ what, value: String(value) }));

const socket = io(url, { auth: { name }, transports: ["websocket"] });
socket.on("connect", () => tell("connect", socket.id));
socket.on("disconnect", (reason) => tell("disconnect", reason));
socket.on("message", (m) => tell("message", m.text));
socket.on("redis", (there) => tell("redis", there));
socket.onAny((name) => tell("event", name));

for await (const line of createInterface({ input: process.stdin })) {
  socket.timeout(10000).emit("message", line, (lost, answer) => tell("said", lost ?? JSON.stringify(answer)));
}
socket.close();
