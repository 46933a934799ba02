// The platform, LINE's side of it, and one line per check.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const SOON = 20_000;

// Starts the platform; gives what it says of itself, and how to end it.
export async function platform() {
  const child = spawn(`${process.env.TSUNAGI_BIN_DIR}/browser-stage`, { stdio: ["pipe", "pipe", "inherit"] });
  const gone = new Promise((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the platform ended with ${code}`)));
  });
  gone.catch(() => {});
  const told = new Promise((resolve) => {
    createInterface({ input: child.stdout }).once("line", resolve);
  });
  const where = JSON.parse(await Promise.race([told, gone]));
  const stop = () =>
    new Promise((resolve) => {
      child.once("exit", resolve);
      child.stdin.end();
    });
  return { ...where, stop };
}

// LINE's side of one account, over the simulator's control API.
export class Line {
  constructor(where, channel = where.channel) {
    this.base = `${where.line}/control`;
    this.channel = channel;
  }

  async #call(path, body) {
    const init = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const answer = await fetch(`${this.base}${path}`, init);
    if (!answer.ok) throw new Error(`control ${path}: ${answer.status}`);
    return answer.json();
  }

  #act(friend, act) {
    return this.#call(`/accounts/${this.channel}/people/${friend.person}/acts`, act);
  }

  // What the account sent to a friend, oldest first.
  async sent(friend) {
    const sends = await this.#call(`/books/sent?account=${this.channel}&chat=${friend.user_id}`);
    return sends.flatMap((send) => send.messages);
  }

  // The messages a friend got since there were `before`, once there are some.
  async after(friend, before) {
    for (const end = Date.now() + SOON; Date.now() < end; ) {
      const messages = (await this.sent(friend)).slice(before);
      if (messages.length > 0) return messages;
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
    throw new Error(`nothing came in the chat of ${friend.person}`);
  }

  // A friend blocks the account.
  async block(friend) {
    await this.#act(friend, { act: "block" });
  }

  // The address of the card that answers what somebody does.
  async #answered(friend, act) {
    const before = (await this.sent(friend)).length;
    await this.#act(friend, act);
    const messages = await this.after(friend, before);
    const actions = messages.flatMap((message) => message.template?.actions ?? []);
    const address = actions.find((action) => action.type === "uri")?.uri;
    if (!address) throw new Error(`${JSON.stringify(act)}: no card with an address`);
    return address;
  }

  // A friend taps the rich menu; gives the address of the card that answers it.
  card(friend, data) {
    return this.#answered(friend, { act: "postback", data });
  }

  // Somebody adds the account as a friend; gives the address of the card that answers it.
  join(person) {
    return this.#answered(person, { act: "add_friend" });
  }
}

export class Checks {
  passed = 0;
  failed = 0;

  that(name, good, detail = "") {
    console.log(`${good ? "ok  " : "FAIL"} browser: ${name}${good ? "" : `  ${detail}`}`);
    if (good) this.passed += 1;
    else this.failed += 1;
  }

  equal(name, found, wanted) {
    const [left, right] = [JSON.stringify(found), JSON.stringify(wanted)];
    this.that(name, left === right, `${left} is not ${right}`);
  }

  end() {
    console.log(`browser: ${this.passed} passed, ${this.failed} failed`);
    return this.failed === 0 ? 0 : 1;
  }
}
