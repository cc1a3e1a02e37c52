// chat.mjs URL URL [PICTURE]: opens the chat in two windows of one Chromium. Each says something and waits for what the other says. Prints
// where each window is and what it has read. PICTURE is a file for a picture of both windows.
import { chromium } from "playwright-core";

const [, , first, second, picture] = process.argv;
const people = [
  { name: "Ada", url: first, says: ["Hello from my task!", "One load balancer, two of us."] },
  { name: "Grace", url: second, says: ["I read you on mine.", "And Redis in between."] },
];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  // One cookie jar, as in a person's browser: the names in the URLs keep the windows apart.
  const context = await browser.newContext({ viewport: { width: 760, height: 560 }, deviceScaleFactor: 2 });
  context.setDefaultTimeout(20000);
  for (const p of people) {
    p.page = await context.newPage();
    await p.page.goto(`${p.url}?name=${p.name}`);
    await p.page.getByText("websocket", { exact: true }).and(p.page.locator("#transport")).waitFor();
    await p.page.locator("#facts dd").first().waitFor();
  }
  for (const p of people) await p.page.locator("#people li").nth(1).waitFor();
  for (const i of people[0].says.keys()) {
    for (const [p, other] of [people, people.toReversed()]) {
      await p.page.fill("#text", p.says[i]);
      await p.page.press("#text", "Enter");
      await other.page.locator("#messages .bubble", { hasText: p.says[i] }).waitFor();
    }
  }
  if (picture) await photograph(context, picture);
  console.log(JSON.stringify(await Promise.all(people.map(state))));
} finally {
  await browser.close();
}

async function state({ page }) {
  const facts = await page.locator("#facts > *").allTextContents();
  const fact = (name) => facts[facts.indexOf(name) + 1];
  return {
    task: fact("task"), zone: fact("zone"), transport: await page.locator("#transport").textContent(),
    saw: await page.locator("#messages li:not(.mine):not(.note) .bubble").allTextContents(),
  };
}

// photograph puts the windows beside each other.
async function photograph(context, path) {
  const windows = [];
  for (const p of people) windows.push({ url: p.url, png: (await p.page.screenshot()).toString("base64") });
  const table = await context.newPage();
  await table.setViewportSize({ width: 1600, height: 640 });
  await table.setContent(`<style>body{margin:0;padding:20px;display:flex;gap:20px;background:#e8ecf1;font:14px system-ui}
    figure{margin:0;background:#fff;border-radius:8px;overflow:hidden;box-shadow:0 4px 16px #0003}
    figcaption{padding:9px 14px;color:#555;background:#f6f7f9}img{display:block;width:770px}</style>` +
    windows.map((w) => `<figure><figcaption>${w.url}</figcaption><img src="data:image/png;base64,${w.png}"></figure>`).join(""));
  await table.screenshot({ path });
}
