// Reads commands, one JSON object per line, and calls the function that each names.
import { createInterface } from "node:readline";

export const say = (v) => process.stdout.write(`${JSON.stringify(v === undefined ? null : v)}\n`);

export async function serve(commands) {
  for await (const line of createInterface({ input: process.stdin })) {
    const c = JSON.parse(line);
    try {
      say(await commands[c.do](c));
    } catch (err) {
      say({ error: `${c.do}: ${err.message}` });
    }
  }
  process.exit(0);
}
