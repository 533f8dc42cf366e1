// Drives Chromium for whoever writes commands to standard input, a JSON object in each line, and answers each with a line:
// {"value":…} or {"error":"…"}. It knows nothing of the daemon: what is to be seen is the caller's to say.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light", locale: "en-GB", timezoneId: "UTC" });
const tabs = [];
const complaints = [];
let page = await tab();

async function tab() {
  const one = await context.newPage();
  // Answers that are errors are seen by what the page makes of them; what the page itself does wrong is a complaint.
  one.on("pageerror", (error) => complaints.push(String(error)));
  one.on("console", (line) => line.type() === "error" && !line.text().startsWith("Failed to load resource") && complaints.push(line.text()));
  one.on("request", (request) => {
    const at = new URL(request.url());
    if (at.hostname !== "127.0.0.1") complaints.push(`asked elsewhere: ${request.url()}`);
  });
  tabs.push(one);
  return one;
}

const commands = {
  open: async ({ url }) => {
    const answer = await page.goto(url);
    return answer?.status();
  },
  tab: async () => {
    page = await tab();
  },
  turn: async ({ to }) => {
    page = tabs[to];
    await page.bringToFront();
  },
  /** What an expression gives in the page. */
  value: ({ of }) => page.evaluate(of),
  text: () => page.evaluate("document.body.innerText"),
  /** What an expression gives, or opens a page until one holds: with the longest tasks meanwhile, on the clock and on the processor, in ms. */
  busy: async ({ of, open, holds }) => {
    await browser.startTracing(page, { categories: ["devtools.timeline", "toplevel"] });
    if (open) await page.goto(open);
    const value = open ? await commands.until({ holds }) : await page.evaluate(of);
    const events = JSON.parse((await browser.stopTracing()).toString()).traceEvents;
    return { value, ...longest(events) };
  },
  /** Waits until an expression holds. */
  until: async ({ holds, ms = 30_000 }) => {
    for (const end = Date.now() + ms; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
      if (await page.evaluate(holds)) return true;
    }
    throw new Error(`not within ${ms} ms: ${holds}; the page shows: ${await page.evaluate("document.body.innerText")}`);
  },
  click: ({ role, name }) => page.getByRole(role, { name }).first().click({ timeout: 10_000 }),
  fill: ({ label, text }) => page.getByLabel(label).fill(text, { timeout: 10_000 }),
  press: ({ key }) => page.keyboard.press(key),
  size: ({ width, height }) => page.setViewportSize({ width, height }),
  look: ({ colours, motion }) => page.emulateMedia({ colorScheme: colours, reducedMotion: motion }),
  complaints: () => complaints,
  /** What axe finds serious. */
  axe: async () => {
    await page.evaluate(axe);
    const found = await page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ["violations"] })).violations);
    return found
      .filter((one) => one.impact === "serious" || one.impact === "critical")
      .map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`);
  },
  /** The share of pixels that differ from a picture that is kept; with `write` it is kept from now on. */
  picture: async ({ path, write }) => {
    const now = await page.screenshot({ animations: "disabled" });
    if (write) {
      writeFileSync(path, now);
      return 0;
    }
    return differing(now, readFileSync(path));
  },
};

function longest(events) {
  const mains = new Set(events.filter((one) => one.name === "thread_name" && one.args.name === "CrRendererMain").map((one) => `${one.pid} ${one.tid}`));
  const tasks = events.filter((one) => one.name === "ThreadControllerImpl::RunTask" && one.ph === "X" && mains.has(`${one.pid} ${one.tid}`));
  const most = (field) => tasks.map((one) => Math.round((one[field] ?? 0) / 1000)).sort((one, other) => other - one).slice(0, 3);
  return { clock: most("dur"), processor: most("tdur") };
}

/** Compared in small squares, as text that differs a little is the same to who looks at it. */
async function differing(one, other) {
  const blank = await context.newPage();
  try {
    return await blank.evaluate(
      async ([one, other]) => {
        const square = 8;
        const averaged = async (data) => {
          const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
          const [width, height] = [Math.floor(image.width / square), Math.floor(image.height / square)];
          const canvas = new OffscreenCanvas(width, height);
          const into = canvas.getContext("2d");
          into.imageSmoothingQuality = "high";
          into.drawImage(image, 0, 0, width, height);
          return { width, height, pixels: into.getImageData(0, 0, width, height).data };
        };
        const [first, second] = [await averaged(one), await averaged(other)];
        if (first.width !== second.width || first.height !== second.height) return 1;
        let different = 0;
        for (let at = 0; at < first.pixels.length; at += 4) {
          const apart = [0, 1, 2].map((part) => Math.abs(first.pixels[at + part] - second.pixels[at + part]));
          if (Math.max(...apart) > 40) different += 1;
        }
        return different / (first.width * first.height);
      },
      [one.toString("base64"), other.toString("base64")],
    );
  } finally {
    await blank.close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const command = JSON.parse(line);
    answer = { value: (await commands[command.do](command)) ?? null };
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
