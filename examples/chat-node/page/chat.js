"use strict";
// The page of both chat servers, Go and Node.js: same events, same client.
const $ = (id) => document.getElementById(id);
const params = new URLSearchParams(location.search);
const wanted = params.get("transport") || "";
const people = new Map();
let me = null;
let missed = null; // when the connection was lost, until it is back
let alone = false; // the server does not reach the others

function el(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

const place = (s) => (s ? s.task || `${s.host}:${s.port}` : "");
const label = (s) => (s && s.task ? s.task.slice(0, 12) : place(s) || "?");

// A server has the same colour in every window.
function colour(s) {
  let h = 7;
  for (const c of place(s)) h = (h * 31 + c.charCodeAt(0)) >>> 0;
  return `hsl(${(h * 137) % 360} 65% 48%)`;
}

function dot(server) {
  const d = el("i", "dot");
  d.style.setProperty("--c", colour(server));
  d.title = server ? [server.runtime, server.host, server.task].filter(Boolean).join(" · ") : "";
  return d;
}

function showServer(s) {
  $("host").textContent = s.task ? s.host : place(s);
  $("runtime").textContent = s.runtime === "node" ? "Node.js" : "Go";
  $("server").style.setProperty("--c", colour(s));
  const rows = [["task", s.task], ["definition", s.family], ["zone", s.zone]].filter((r) => r[1]);
  $("facts").replaceChildren(...rows.flatMap(([k, v]) => [el("dt", "", k), el("dd", "", v)]));
}

function showPeople() {
  const all = [...people.values()].sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id));
  $("count").textContent = all.length ? `· ${all.length}` : "";
  $("people").replaceChildren(...all.map((p) => {
    const li = el("li");
    li.append(dot(p.server), el("span", "", p.name));
    if (me && p.id === me.id) li.append(el("span", "you", "(you)"));
    const at = el("span", "at", label(p.server));
    li.append(at);
    return li;
  }));
}

function add(li) {
  const box = $("messages");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  box.append(li);
  while (box.children.length > 500) box.firstChild.remove();
  if (atEnd) box.scrollTop = box.scrollHeight;
  return li;
}

const note = (text) => add(el("li", "note", text));

function bubble(from, server, text, at, mine) {
  const li = el("li", mine ? "mine" : "");
  const meta = el("div", "meta");
  meta.append(dot(server), el("b", "", mine ? "you" : from), el("span", "", `via ${label(server)}`),
    el("time", "", new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })));
  li.append(meta, el("div", "bubble", text));
  return li;
}

function banner() {
  let text = "";
  if (missed) text = "Connection lost. Trying to come back…";
  else if (alone) text = "This server does not reach Redis: only people on the same server read you.";
  $("banner").textContent = text;
  $("banner").hidden = !text;
}

function start(name) {
  const socket = io({
    auth: { name },
    ...(wanted ? { transports: [wanted] } : {}),
  });
  window.socket = socket;

  const showTransport = () => {
    $("transport").textContent = socket.connected ? socket.io.engine.transport.name : "connecting";
  };
  const refresh = async () => {
    try {
      const r = await socket.timeout(5000).emitWithAck("who", null);
      if (!r.people) return;
      people.clear();
      for (const p of r.people) people.set(p.id, p);
      showPeople();
    } catch { /* asked again soon */ }
  };

  socket.on("welcome", (w) => {
    const back = missed;
    missed = null;
    me = w.you;
    alone = w.redis === false;
    showServer(w.server);
    if (back) note(`connected again, now to ${label(w.server)}`);
    people.clear();
    people.set(me.id, me);
    showPeople();
    banner();
    refresh();
  });
  socket.on("connect", () => {
    showTransport();
    socket.io.engine.on("upgrade", showTransport);
  });
  socket.on("disconnect", () => {
    missed = Date.now();
    showTransport();
    banner();
  });
  socket.io.on("reconnect_attempt", () => { missed = missed || Date.now(); banner(); });
  socket.on("redis", (ok) => { alone = !ok; banner(); refresh(); });

  socket.on("joined", (p) => { people.set(p.id, p); showPeople(); note(`${p.name} joined on ${label(p.server)}`); });
  socket.on("left", (p) => { if (people.delete(p.id)) { showPeople(); note(`${p.name} left`); } });
  socket.on("message", (m) => {
    if (me && m.from.id === me.id) return; // shown when it was sent
    if ($("typing").textContent.startsWith(m.from.name)) $("typing").textContent = "";
    add(bubble(m.from.name, m.server, m.text, m.at, false));
  });

  let typingUntil;
  socket.on("typing", (p) => {
    $("typing").textContent = `${p.name} is typing…`;
    clearTimeout(typingUntil);
    typingUntil = setTimeout(() => ($("typing").textContent = ""), 2000);
  });

  let told = 0;
  $("text").addEventListener("input", () => {
    if (Date.now() - told > 1000) {
      told = Date.now();
      socket.volatile.emit("typing", null);
    }
  });
  $("form").addEventListener("submit", async (e) => {
    e.preventDefault();
    const text = $("text").value.trim();
    if (!text) return;
    $("text").value = "";
    const li = add(bubble(name, me && me.server, text, Date.now(), true));
    li.classList.add("sending");
    $("messages").scrollTop = $("messages").scrollHeight;
    try {
      const r = await socket.timeout(10000).emitWithAck("message", text);
      if (r.error) throw new Error(r.error);
      li.classList.remove("sending");
    } catch (err) {
      li.classList.replace("sending", "failed");
      li.title = `not delivered: ${err.message}`;
    }
  });
  setInterval(() => socket.connected && refresh(), 15000);
}

for (const a of document.querySelectorAll(".switch a")) a.classList.toggle("on", a.dataset.t === wanted);
const known = params.get("name") || sessionStorage.getItem("name");
if (known) {
  start(known);
} else {
  $("ask").showModal();
  $("ask").addEventListener("cancel", (e) => e.preventDefault());
  $("ask").addEventListener("close", () => {
    const name = $("name").value.trim();
    sessionStorage.setItem("name", name);
    start(name);
  });
}
