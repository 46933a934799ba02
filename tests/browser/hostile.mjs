// What nobody's browser sends by itself: forged, foreign, broken and oversized requests.

import http from "node:http";

const FORM = "application/x-www-form-urlencoded";
export const SCRIPT = `"><script>alert(1)</script><img src=x onerror=alert(1)>'</textarea></title>`;

// Cookie and proof of a form that was opened without a browser.
async function opened(address) {
  const page = await fetch(address);
  const cookie = page.headers.get("set-cookie").split(";")[0];
  const proof = (await page.text()).match(/name="proof" value="([^"]+)"/)[1];
  return { cookie, proof };
}

function post(address, body, headers) {
  const all = { "content-type": FORM, ...headers };
  return fetch(address, { method: "POST", redirect: "manual", headers: all, body: body.toString() });
}

// `fields` are those of the form with good values; the first of them takes the blows.
export async function hostileRequests(checks, form, address, fields) {
  const { cookie, proof } = await opened(address);
  const other = await opened(address);
  const [first] = Object.keys(fields);
  const body = (change) => new URLSearchParams({ ...fields, proof, ...change });
  const status = async (name, wanted, made, headers = { cookie }) =>
    checks.equal(`${form}: ${name}`, (await post(address, made, headers)).status, wanted);

  await status("no cookie is refused", 403, body(), {});
  await status("another browser's cookie is refused", 403, body(), { cookie: other.cookie });
  await status("another browser's proof is refused", 403, body({ proof: other.proof }));
  await status("no proof is refused", 403, body({ proof: "" }));
  await status("another origin is refused", 403, body(), { cookie, origin: "https://evil.example" });
  await status("JSON is refused", 415, JSON.stringify({ ...fields, proof }), { cookie, "content-type": "application/json" });
  await status("an oversized body is refused", 413, body({ [first]: "a".repeat(40_000) }));
  await status("a field that is not asked is refused", 400, body({ admin: "1" }));
  await status("a doubled field is refused", 400, `${body()}&${first}=x`);
  await status("what is not UTF-8 is refused", 400, `${body()}`.replace(`${first}=`, `${first}=%FF`));
  await status("a control character is told as wrong", 422, body({ [first]: "a\0b" }));
  for (const method of ["PUT", "DELETE", "OPTIONS"]) {
    const answer = await fetch(address, { method });
    checks.equal(`${form}: ${method} is not allowed`, [answer.status, answer.headers.get("allow")], [405, "GET,HEAD,POST"]);
  }
}

// A page of another origin sends our form from the browser of somebody who has ours open.
export async function forgedPage(checks, phone, address) {
  const fields = ["family", "given", "text", "proof"].map((name) => `<input name="${name}" value="x">`);
  const html = `<!doctype html><form method="post" action="${address}">${fields.join("")}<button>send</button></form>`;
  const server = http.createServer((_, answer) => {
    answer.writeHead(200, { "content-type": "text/html" }).end(html);
  });
  await new Promise((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  await phone.page.goto(address);
  await phone.page.goto(`http://localhost:${server.address().port}/`);
  checks.equal("a forged page's form is refused", (await phone.submit()).status(), 403);
  server.closeAllConnections();
  server.close();
}

// Every kind of bad address gives the same page to the byte.
export async function uniformPages(checks, pages, spent) {
  const look = async (address) => {
    const answer = await fetch(address);
    const headers = [...answer.headers].filter(([name]) => name !== "date");
    return JSON.stringify([answer.status, headers, await answer.text()]);
  };
  const unknown = await look(`${pages}/f/018f0000-0000-7000-8000-000000000000.${"A".repeat(43)}`);
  checks.that("an unknown token is not found", unknown.startsWith("[404,"));
  const bad = ["/f/x", "/f/%00", "/f/%FF%FE", "/f/..%2f..%2fetc", `/f/${"a".repeat(5_000)}`, "/f/", "/"];
  for (const path of bad) {
    checks.that(`the same page for ${path.slice(0, 30)}`, (await look(pages + path)) === unknown);
  }
  for (const address of spent) checks.that("the same page for a used token", (await look(address)) === unknown);
}
