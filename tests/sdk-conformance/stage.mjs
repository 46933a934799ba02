// The simulator's control API, a loopback webhook receiver behind the SDK's middleware, and one line per check.

import http from "node:http";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The SDK is installed outside the tree; NODE_HOME says where.
export const line = createRequire(`${process.env.NODE_HOME}/`)("@line/bot-sdk");
export const BASE = process.env.LINE_SIMULATOR_URL;

export async function control(method, path, body) {
  const init = { method, headers: { "content-type": "application/json" } };
  if (body !== undefined) init.body = JSON.stringify(body);
  const answer = await fetch(`${BASE}/control${path}`, init);
  if (!answer.ok) throw new Error(`control ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

// Webhooks that passed the SDK's middleware, in order; what it rejects waits as an error.
export class Receiver {
  #arrived = [];
  #waiting = [];
  secret = "";

  start() {
    const server = http.createServer((request, response) => {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        request.rawBody = Buffer.concat(chunks);
        line.middleware({ channelSecret: this.secret })(request, response, (error) => {
          response.end();
          const signature = request.headers["x-line-signature"];
          this.#give(error ?? { body: request.body, raw: request.rawBody, signature });
        });
      });
    });
    return new Promise((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        server.unref();
        resolve(`http://127.0.0.1:${server.address().port}/hook`);
      });
    });
  }

  #give(webhook) {
    const taker = this.#waiting.shift();
    if (taker) taker(webhook);
    else this.#arrived.push(webhook);
  }

  async next() {
    if (this.#arrived.length > 0) return this.#arrived.shift();
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("no webhook within ten seconds")), 10_000);
    });
    const webhook = await Promise.race([new Promise((resolve) => this.#waiting.push(resolve)), late]);
    clearTimeout(timer);
    if (webhook instanceof Error) throw webhook;
    return webhook;
  }
}

export class Checks {
  passed = 0;
  failed = 0;

  that(name, good, detail = "") {
    console.log(`${good ? "ok  " : "FAIL"} node: ${name}${good ? "" : `  ${detail}`}`);
    if (good) this.passed += 1;
    else this.failed += 1;
  }

  equal(name, found, wanted) {
    const [left, right] = [JSON.stringify(found), JSON.stringify(wanted)];
    this.that(name, left === right, `${left} is not ${right}`);
  }

  // The call must be refused through the SDK's error with this status; gives the error.
  async refused(name, status, call, message = "") {
    try {
      await call();
    } catch (error) {
      const good = error instanceof line.HTTPFetchError && error.status === status && error.body.includes(message);
      this.that(name, good, `${error.status} ${error.body ?? error}`);
      return error;
    }
    this.that(name, false, "was accepted");
    return undefined;
  }

  everyEndpoint(requests) {
    const wanted = readFileSync(new URL("endpoints.txt", import.meta.url), "utf8").split("\n").filter(Boolean);
    const called = new Set(requests.map((request) => request.endpoint));
    const missing = wanted.filter((endpoint) => !called.has(endpoint));
    this.that(`all ${wanted.length} endpoints were called`, missing.length === 0, missing.join(", "));
  }

  end() {
    console.log(`node: ${this.passed} passed, ${this.failed} failed`);
    process.exit(this.failed === 0 ? 0 : 1);
  }
}
