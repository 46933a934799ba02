// A customer's way through the forms, and a staff member's: rich menu, card, form, LINE's dialog, answer in the chat; and what must
// not get through.

import { SCRIPT, forgedPage, hostileRequests, uniformPages } from "./hostile.mjs";
import { Phone } from "./phone.mjs";
import { staffForms } from "./staff.mjs";
import { Checks, Line, platform } from "./stage.mjs";

const INQUIRY = { data: "tsunagi:inquiry", field: "text", good: "土曜日の午後は\n空いていますか。", bad: "" };
const LINK = { data: "tsunagi:reservations", field: "mobile", good: "090-1234-5678", bad: "03-12" };
const WAYS = [
  { name: "link, English", form: LINK, locale: "en-US", lang: "en", other: "ja", friend: 0 },
  { name: "inquiry, Japanese", form: INQUIRY, locale: "ja-JP", lang: "ja", other: "en", friend: 1 },
];

const checks = new Checks();
const where = await platform();
const line = new Line(where);
const spent = [];
const answers = [];

// The page as it stands is accessible and fits the screen.
async function sound(name, phone) {
  checks.equal(`${name}: axe finds nothing`, await phone.violations(), []);
  checks.that(`${name}: nothing is wider than the screen`, !(await phone.overflows()));
  await phone.shot(name.replaceAll(/\W+/g, "-"));
}

async function languages(name, phone, lang, other) {
  const shown = () => phone.page.getAttribute("html", "lang");
  checks.equal(`${name}: in the browser's language`, await shown(), lang);
  await phone.led((page) => page.click("nav a"));
  checks.equal(`${name}: a link changes the language`, await shown(), other);
  await phone.led((page) => page.click("nav a"));
  checks.equal(`${name}: and back`, await shown(), lang);
}

async function mistakes(name, phone, { field, bad }) {
  const { page } = phone;
  await phone.fill({ family: "", given: "花子", [field]: bad });
  checks.equal(`${name}: wrong fields are told`, (await phone.submit()).status(), 422);
  const wrong = await page.locator("[aria-invalid=true]").evaluateAll((fields) => fields.map((one) => one.name));
  checks.equal(`${name}: the wrong ones alone`, wrong, ["family", field]);
  checks.equal(`${name}: what was typed is kept`, await page.inputValue("[name=given]"), "花子");
  const focused = await page.locator(".told").evaluate((told) => told === document.activeElement);
  checks.that(`${name}: the summary has the focus`, focused);
  await sound(`${name}, wrong`, phone);
  await page.click(`.told a[href="#family"]`);
  checks.equal(`${name}: it leads to the field`, await page.evaluate(() => document.activeElement.name), "family");

  // One field is left empty, so that nothing is taken and all the rest is shown again.
  await phone.fill({ family: "", given: SCRIPT, [field]: SCRIPT.slice(0, 40) });
  checks.equal(`${name}: markup is shown again`, (await phone.submit()).status(), 422);
  checks.equal(`${name}: as it was typed`, await page.inputValue("[name=given]"), SCRIPT);
  checks.equal(`${name}: and is no element`, await page.locator("script, img").count(), 0);
}

async function confirmation(name, phone, { field, good }, friend) {
  const before = (await line.sent(friend)).length;
  await phone.fill({ family: "山田", given: "花子", [field]: good });
  await phone.submit();
  const url = phone.page.url();
  checks.that(`${name}: LINE's dialog asks`, url.startsWith(`${where.line}/dialog/bot/accountLink?`), url);
  checks.equal(`${name}: confirmed`, (await phone.submit()).status(), 200);
  const [answer] = await line.after(friend, before);
  checks.that(`${name}: an answer comes in the chat`, answer.template?.text.startsWith("受け付けました"));
  answers.push(JSON.stringify(answer));
}

// Nobody but we and LINE was asked for anything, and the browser has nothing to complain of.
function undisturbed(name, phone) {
  const own = [where.pages, where.line].map((origin) => `${origin}/`);
  const strangers = phone.requests.filter((url) => !own.some((origin) => url.startsWith(origin)));
  checks.equal(`${name}: nobody else was asked`, strangers, []);
  // A page that says what is wrong has a status that the browser notes, too.
  const complaints = phone.complaints.filter((text) => !text.startsWith("Failed to load resource"));
  checks.equal(`${name}: the browser has nothing to complain of`, complaints, []);
}

async function walk({ name, form, locale, lang, other, friend: index }) {
  const friend = where.friends[index];
  const address = await line.card(friend, form.data);
  checks.that(`${name}: the card leads to the form pages`, address.startsWith(`${where.pages}/f/`));
  const phone = await Phone.open(where, locale, { friend });
  checks.equal(`${name}: the form opens`, (await phone.page.goto(address)).status(), 200);
  await sound(`${name}, opened`, phone);
  await languages(name, phone, lang, other);
  await mistakes(name, phone, form);
  await confirmation(name, phone, form, friend);
  checks.equal(`${name}: the form is gone`, (await phone.page.goto(address)).status(), 404);
  await sound(`${name}, gone`, phone);
  spent.push(address);
  undisturbed(name, phone);
  await phone.close();
}

// The form's address is opened in somebody else's browser: LINE says that it was not the one who was asked.
async function forwarded() {
  const [owner, other] = where.friends;
  const before = (await line.sent(other)).length;
  const address = await line.card(owner, LINK.data);
  const phone = await Phone.open(where, "ja-JP", { friend: other });
  checks.equal("forwarded: the form opens", (await phone.page.goto(address)).status(), 200);
  await phone.fill({ family: "山田", given: "花子", mobile: LINK.good });
  await phone.submit();
  await phone.submit();
  const told = await phone.page.textContent("h1");
  checks.that("forwarded: LINE links nobody", told.includes("連携できませんでした"), told);
  await phone.close();
  // What a later tap is answered with comes behind whatever would have come.
  await line.card(other, INQUIRY.data);
  checks.equal("forwarded: who confirmed is told nothing", (await line.sent(other)).length, before + 1);
}

// An inquiry that cannot be sent any more is given back; one whose writer LINE cannot ask is with the shop.
async function unsent() {
  const written = "はじめの行\n<b>次の行</b>";
  const fields = { family: "山田", given: "花子", text: written };
  for (const locale of ["ja-JP", "en-US"]) {
    const name = `given back, ${locale}`;
    const friend = where.friends[1];
    const address = await line.card(friend, INQUIRY.data);
    const phones = [await Phone.open(where, locale, { friend }), await Phone.open(where, locale, { friend, dark: true })];
    for (const phone of phones) await phone.page.goto(address);
    await phones[0].fill({ ...fields, text: "別のこと" });
    checks.that(`${name}: the first is sent`, (await phones[0].submit()).url().startsWith(`${where.line}/dialog/`));
    await phones[1].fill(fields);
    checks.equal(`${name}: the second is not`, (await phones[1].submit()).status(), 404);
    const field = phones[1].page.getByLabel(locale === "ja-JP" ? "お書きになった内容" : "What you wrote");
    checks.equal(`${name}: as it was written`, await field.inputValue(), written);
    checks.that(`${name}: to be copied alone`, !(await field.isEditable()));
    await sound(name, phones[1]);
    for (const phone of phones) await phone.close();
  }
}

async function refused() {
  for (const [index, locale] of [[0, "en-US"], [1, "ja-JP"]]) {
    const name = `refused by LINE, ${locale}`;
    const friend = where.friends[index];
    const address = await line.card(friend, INQUIRY.data);
    const phone = await Phone.open(where, locale, { friend });
    await phone.page.goto(address);
    await line.block(friend);
    await phone.fill({ family: "山田", given: "花子", text: INQUIRY.good });
    checks.equal(`${name}: the shop has it`, (await phone.submit()).status(), 200);
    checks.that(`${name}: and no dialog opens`, phone.page.url().startsWith(address));
    await sound(name, phone);
    await phone.close();
  }
}

async function nobodysPhone() {
  for (const [locale, dark] of [["ja-JP", true], ["en-US", false]]) {
    const phone = await Phone.open(where, locale, { dark, width: 360, height: 740 });
    checks.equal(`gone, ${locale}`, (await phone.page.goto(`${where.pages}/f/unknown`)).status(), 404);
    await sound(`gone, ${locale}`, phone);
    await phone.close();
  }
}

async function forgeries() {
  const address = await line.card(where.friends[1], INQUIRY.data);
  await hostileRequests(checks, "inquiry", address, { family: "山田", given: "花子", text: "こんにちは" });
  const phone = await Phone.open(where, "ja-JP", { friend: where.friends[1], dark: true });
  await forgedPage(checks, phone, address);
  checks.equal("none of it used the token up", (await phone.page.goto(address)).status(), 200);
  await sound("inquiry, dark", phone);
  await phone.close();
}

try {
  await nobodysPhone();
  for (const way of WAYS) await walk(way);
  checks.equal("whoever asks is answered the same", answers[0], answers[1]);
  await forwarded();
  await forgeries();
  await unsent();
  spent.push(...(await staffForms({ checks, where, sound, languages, undisturbed })));
  await uniformPages(checks, where.pages, spent);
  await refused();
} catch (problem) {
  checks.that("played to the end", false, problem.stack);
} finally {
  await Phone.close();
  await where.stop();
}
process.exitCode = checks.end();
