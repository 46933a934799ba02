// A staff member's way: the staff account is added as a friend, its card leads to the form for an invitation's code, LINE's dialog
// confirms, and the chat says so.

import { SCRIPT, hostileRequests } from "./hostile.mjs";
import { Phone } from "./phone.mjs";
import { Line } from "./stage.mjs";

const WAYS = [
  { name: "staff, Japanese", locale: "ja-JP", lang: "ja", other: "en", dark: false },
  { name: "staff, English", locale: "en-US", lang: "en", other: "ja", dark: true },
];
const NOBODYS = "0000-0000-0000-0000";

// Walks by every way, each with a member's own code; gives the addresses that are good for nothing any more.
export async function staffForms({ checks, where, sound, languages, undisturbed }) {
  const line = new Line(where, where.staff.channel);
  const spent = [];
  for (const [index, way] of WAYS.entries()) {
    const { name, locale, lang, other, dark } = way;
    const { person, stranger, code } = where.staff.members[index];
    const address = await line.join(person);
    checks.that(`${name}: the card leads to the form pages`, address.startsWith(`${where.pages}/f/`));
    const phone = await Phone.open(where, locale, { friend: person, dark });
    checks.equal(`${name}: the form opens`, (await phone.page.goto(address)).status(), 200);
    await sound(`${name}, opened`, phone);
    await languages(name, phone, lang, other);
    const asked = await phone.page.locator("form [name]").evaluateAll((fields) => fields.map((one) => one.name));
    checks.equal(`${name}: a code is asked for and nothing else`, asked, ["code", "proof"]);
    await mistakes(checks, name, phone, sound);
    await hostileRequests(checks, name, address, { code });
    await forwarded(checks, { where, name, address, locale, code, stranger });

    // As people type it: without hyphens, in small letters.
    checks.equal(`${name}: the form is still good`, (await phone.page.goto(address)).status(), 200);
    const before = (await line.sent(person)).length;
    await phone.fill({ code: code.replaceAll("-", "").toLowerCase() });
    await phone.submit();
    const url = phone.page.url();
    checks.that(`${name}: LINE's dialog asks`, url.startsWith(`${where.line}/dialog/bot/accountLink?`), url);
    checks.equal(`${name}: confirmed`, (await phone.submit()).status(), 200);
    const [answer] = await line.after(person, before);
    checks.that(`${name}: the chat says so`, answer.text?.startsWith("スタッフとして登録されました"), JSON.stringify(answer));
    checks.equal(`${name}: the form is gone`, (await phone.page.goto(address)).status(), 404);
    undisturbed(name, phone);
    await phone.close();
    spent.push(address);
  }
  return spent;
}

// Nothing, a code that is nobody's, and what is no code at all.
async function mistakes(checks, name, phone, sound) {
  const { page } = phone;
  const wrong = async (what, typed) => {
    await phone.fill({ code: typed });
    checks.equal(`${name}: ${what} is told`, (await phone.submit()).status(), 422);
    const invalid = await page.locator("[aria-invalid=true]").evaluateAll((fields) => fields.map((one) => one.name));
    checks.equal(`${name}: ${what} is wrong`, invalid, ["code"]);
    checks.equal(`${name}: ${what} is kept as it was typed`, await page.inputValue("[name=code]"), typed);
    return page.textContent("#code-error");
  };
  await wrong("no code", "");
  const focused = await page.locator(".told").evaluate((told) => told === document.activeElement);
  checks.that(`${name}: the summary has the focus`, focused);
  const nobodys = await wrong("a code that is nobody's", NOBODYS);
  await sound(`${name}, wrong`, phone);
  checks.equal(`${name}: what is no code gets the same answer`, await wrong("markup", SCRIPT), nobodys);
  checks.equal(`${name}: markup is no element`, await page.locator("script, img").count(), 0);
}

// Somebody else has the card's address, and the code: LINE says that it was not the one whom the card was given to.
async function forwarded(checks, { where, name, address, locale, code, stranger }) {
  const phone = await Phone.open(where, locale, { friend: stranger });
  checks.equal(`${name}, forwarded: the form opens`, (await phone.page.goto(address)).status(), 200);
  await phone.fill({ code });
  await phone.submit();
  await phone.submit();
  const told = await phone.page.textContent("h1");
  checks.that(`${name}, forwarded: LINE binds nobody`, told.includes("連携できませんでした"), told);
  await phone.close();
}
