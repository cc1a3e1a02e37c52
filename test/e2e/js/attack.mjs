// attack.mjs: lets web pages in Chromium send requests to the API in every way there is. Reads {rules, targets: [{origin, calls}]} from
// standard input, where a call is {url, method, headers, body}; prints by target and call what the server answered, or "failed" when the
// browser sent nothing or showed no answer.
import http from "node:http";
import { text } from "node:stream/consumers";
import { chromium } from "playwright-core";

const { rules, targets } = JSON.parse(await text(process.stdin));
// Chromium keeps pages of the Internet from local addresses; an attacker may also sit in the local network.
const unguarded = ["--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights"];
const server = http.createServer((_, answer) => answer.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><body>"));
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", `--host-resolver-rules=${rules}`, ...unguarded] });
try {
  const results = {};
  for (const target of targets) results[target.origin] = await attack(target);
  console.log(JSON.stringify(results));
} finally {
  await browser.close();
  server.close();
}

async function attack({ origin, calls }) {
  const page = await browser.newPage();
  page.setDefaultTimeout(120000);
  page.setDefaultNavigationTimeout(120000);
  const statuses = {};
  page.context().on("response", (r) => (statuses[`${r.request().method()} ${r.url()}`] = r.status()));
  const settled = {};
  // Pages of another site.
  await page.goto(`http://evil.example:${server.address().port}/`);
  Object.assign(settled, await page.evaluate(crossSite, calls));
  // A page of the API's own origin, as after DNS rebinding.
  await page.route(`${origin}/rebound`, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><body>" }));
  await page.goto(`${origin}/rebound`);
  Object.assign(settled, await page.evaluate(sameOrigin, calls));
  // An address that a person was made to open.
  await page.goto("about:blank");
  await page.goto(calls.navigation.url).catch(() => {});
  await page.close();
  return Object.fromEntries(Object.entries(calls).map(([name, c]) => [name, statuses[`${c.method} ${c.url}`] ?? "failed"]));
}

// crossSite runs in a page.
async function crossSite(calls) {
  const element = (name, tag, set) =>
    new Promise((done) => {
      const e = document.createElement(tag);
      e.onload = e.onerror = e.onloadeddata = done;
      set(e, calls[name].url);
      document.body.append(e);
    });
  const form = (name, method) =>
    new Promise((done) => {
      const frame = document.createElement("iframe");
      frame.name = name;
      document.body.append(frame);
      const url = new URL(calls[name].url);
      const f = document.createElement("form");
      Object.assign(f, { method, target: name, action: method === "get" ? url.origin + url.pathname : url.href });
      if (method === "get") {
        for (const [k, v] of url.searchParams) f.append(Object.assign(document.createElement("input"), { name: k, value: v, type: "hidden" }));
      }
      document.body.append(f);
      frame.onload = done;
      f.submit();
    });
  const send = (name, more) => fetch(calls[name].url, { method: calls[name].method, headers: calls[name].headers, body: calls[name].body, ...more }).catch(() => {});
  await Promise.all([
    element("image", "img", (e, url) => (e.src = url)),
    element("imageWithoutReferrer", "img", (e, url) => Object.assign(e, { referrerPolicy: "no-referrer", src: url })),
    element("script", "script", (e, url) => (e.src = url)),
    element("style", "link", (e, url) => Object.assign(e, { rel: "stylesheet", href: url })),
    element("video", "video", (e, url) => (e.src = url)),
    element("frame", "iframe", (e, url) => (e.src = url)),
    form("formGet", "get"),
    form("formPost", "post"),
    send("noCorsGet", { mode: "no-cors" }),
    send("noCorsGetWithLanguage", { mode: "no-cors" }),
    send("noCorsHead", { mode: "no-cors" }),
    send("noCorsPost", { mode: "no-cors", referrerPolicy: "no-referrer" }),
    send("corsGet", {}),
    send("corsPostSignedInHeader", {}),
    send("corsGetSignedInHeader", {}),
    send("reset", { mode: "no-cors" }),
    new Promise((done) => {
      const socket = new WebSocket(calls.webSocket.url.replace("http", "ws"));
      socket.onopen = socket.onclose = done;
    }),
    new Promise((done) => {
      navigator.sendBeacon(calls.beacon.url);
      setTimeout(done, 500);
    }),
  ]);
  return {};
}

// sameOrigin runs in a page.
async function sameOrigin(calls) {
  for (const name of ["rebound", "reboundSignedInHeader", "reboundPost"]) {
    const { url, method, headers, body } = calls[name];
    await fetch(url, { method, headers, body, referrerPolicy: "no-referrer" }).catch(() => {});
  }
  return {};
}
