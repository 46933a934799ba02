// A phone's browser.

import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";

// The packages are installed outside the tree; NODE_HOME says where.
const require = createRequire(`${process.env.NODE_HOME}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const SOON = 20_000;

// In the hand of `friend`, who is logged in to LINE with it; nobody's without one.
export class Phone {
  static #chromium;

  static async open(where, locale, { friend, dark = false, width = 390, height = 844 } = {}) {
    // As root Chromium has no sandbox to run in.
    const chromiumSandbox = process.getuid() !== 0;
    Phone.#chromium ??= await chromium.launch({ executablePath: process.env.CHROMIUM, chromiumSandbox });
    const context = await Phone.#chromium.newContext({
      viewport: { width, height },
      deviceScaleFactor: 2,
      hasTouch: true,
      isMobile: true,
      locale,
      colorScheme: dark ? "dark" : "light",
    });
    const page = await context.newPage();
    page.setDefaultTimeout(SOON);
    if (friend) await page.goto(`${where.line}/control/people/${friend.person}/log-in`);
    return new Phone(context, page);
  }

  static async close() {
    await Phone.#chromium?.close();
  }

  constructor(context, page) {
    this.context = context;
    this.page = page;
    this.requests = [];
    this.complaints = [];
    page.on("request", (request) => this.requests.push(request.url()));
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
    page.on("dialog", (dialog) => {
      this.complaints.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
  }

  // Does `act` and gives the answer of the page it leads to.
  async led(act) {
    const [answer] = await Promise.all([this.page.waitForNavigation(), act(this.page)]);
    return answer;
  }

  submit() {
    return this.led((page) => page.click("button"));
  }

  async fill(values) {
    for (const [name, value] of Object.entries(values)) await this.page.fill(`[name=${name}]`, value);
  }

  // What axe finds wrong with the page. The debugger puts it there, whatever the page's policy.
  async violations() {
    const session = await this.context.newCDPSession(this.page);
    const run = async (expression) => {
      const asked = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await session.send("Runtime.evaluate", asked);
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    await run(`${axe};0`);
    const told = "(v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`";
    const found = await run(`axe.run().then((r) => r.violations.map(${told}))`);
    await session.detach();
    return found;
  }

  // Whether something is wider than the screen.
  async overflows() {
    return this.page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  }

  async shot(name) {
    mkdirSync(process.env.SHOTS, { recursive: true });
    await this.page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage: true });
  }

  async close() {
    await this.context.close();
  }
}
