// A real Chromium with one page that a test controls: browser.mjs CHROMIUM. Requests of the page to other machines are
// blocked.
import { chromium } from "playwright-core";
import { say, serve } from "./lines.mjs";

const browser = await chromium.launch({ executablePath: process.argv[2], args: ["--no-sandbox"], timeout: 60000 });
const page = await browser.newPage({ viewport: { width: 1400, height: 1200 } });
page.setDefaultTimeout(60000);
await page.route((url) => url.hostname !== "127.0.0.1", (route) => route.abort());
say({ version: browser.version() });

// find returns an element that matches a selector and contains a text.
const find = (c) => {
  const all = page.locator(c.selector, c.text ? { hasText: c.text } : {});
  return c.inside ? all.first().locator(c.inside).first() : all.first();
};

await serve({
  goto: async (c) => {
    await page.goto(c.url);
  },
  eval: (c) => page.evaluate(c.js),
  until: async (c) => {
    await page.waitForFunction(c.js);
  },
  see: (c) => find(c).waitFor(),
  gone: (c) => find(c).waitFor({ state: "detached" }),
  fill: (c) => find(c).fill(c.value),
  click: (c) => find(c).click(),
  page: () => page.locator("body").innerText(),
  texts: (c) => page.locator(c.selector).allInnerTexts(),
  attribute: (c) => find(c).getAttribute(c.name),
});
