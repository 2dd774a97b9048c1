// The owner's pages work without this. It adds: copying, times as people say them, parts that renew themselves, dialogs.
"use strict";

const announce = (words) => { const at = document.getElementById("announcer"); if (at) at.textContent = words; };

// -- copying: `<button data-copy>` beside a <code> in the same .copyable ------------------------------------------
const offerCopying = (root) => {
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
};
const copied = async (button) => {
  const text = button.closest(".copyable").querySelector("code").textContent;
  try {
    if (navigator.clipboard && window.isSecureContext) await navigator.clipboard.writeText(text);
    else {  // plain http on the LAN has no clipboard of its own
      const box = document.createElement("textarea");
      box.value = text;
      box.className = "vh";
      (button.closest("dialog") || document.body).append(box);
      box.select();
      const done = document.execCommand("copy");
      box.remove();
      button.focus();
      if (!done) throw new Error("refused");
    }
    const words = button.querySelector("span");
    button.classList.add("done");
    words.textContent = "Copied";
    announce("Copied");
    setTimeout(() => { words.textContent = "Copy"; button.classList.remove("done"); }, 2000);
  } catch {
    getSelection().selectAllChildren(button.closest(".copyable").querySelector("code"));
    announce("Press Ctrl and C to copy what is selected");
  }
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copied(button);
});

// -- times: `<time datetime>` in the reader's zone, and how long ago ----------------------------------------------
const units = [["s", 1, 120], ["min", 60, 7200], ["h", 3600, 172800], ["days", 86400, 7 * 86400]];  // as the server says it
const near = (seconds) => {
  const whole = Math.abs(seconds);
  if (whole < 5) return "just now";
  const [unit, size] = units.find(([, , most]) => whole < most) ?? units.at(-1);
  const told = `${Math.round(whole / size)} ${unit}`;
  return seconds > 0 ? `in ${told}` : `${told} ago`;
};
const far = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const tellTimes = (root) => {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) continue;
    const seconds = (at - Date.now()) / 1000;
    const words = Math.abs(seconds) < 7 * 86400 ? near(seconds) : far.format(at);
    if (time.textContent !== words) time.textContent = words;
    if (!time.title) time.title = exact.format(at);
  }
};

// -- parts that renew themselves: elements with an id and `data-live`; `data-from`: of another page than this -----------
const QUICK = 3000, SLOW = 30000;
let wait = QUICK, timer = 0, away = 0, renewed = Date.now();
const tellRenewed = () => {
  const seconds = Math.round((Date.now() - renewed) / 1000);
  for (const at of document.querySelectorAll("[data-updated]")) at.textContent = seconds < 2 ? "Up to date" : `Updated ${near(-seconds)}`;
};
const busy = (part) => (part.contains(document.activeElement) && document.activeElement !== document.body
  && /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName))
  || [...part.querySelectorAll("input[type=checkbox]")].some((one) => one.checked !== one.defaultChecked);
const same = (a, b) => a.innerHTML.replace(/<time[^]*?<\/time>/g, "") === b.innerHTML.replace(/<time[^]*?<\/time>/g, "");
const fetched = async (from) => {
  const answer = await fetch(from, { headers: { "X-Live": "1" }, redirect: "manual", cache: "no-store" });
  if (answer.type === "opaqueredirect" || answer.status === 401) return null;
  if (!answer.ok) throw new Error(answer.status);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
};
const renew = async () => {
  const parts = [...document.querySelectorAll("[data-live][id]")];
  if (!parts.length || document.hidden) return;
  let changed = false;
  try {
    const pages = new Map();
    for (const part of parts) {
      const from = part.dataset.from || location.href;
      if (!pages.has(from)) pages.set(from, await fetched(from));
      const fresh = pages.get(from);
      if (!fresh) { location.reload(); return; }
      renewed = Date.now();
      const other = fresh.getElementById(part.id);
      if (!other) { if (part.dataset.live === "until-gone") { location.reload(); return; } continue; }
      if (busy(part) || part.dataset.was === other.innerHTML) continue;
      part.dataset.was = other.innerHTML;
      tellTimes(other); offerCopying(other);
      if (same(part, other)) continue;
      const open = new Set([...part.querySelectorAll("details[open] > summary")].map((one) => one.textContent));
      const focused = part.contains(document.activeElement) ? [...part.querySelectorAll("a,button,summary")].indexOf(document.activeElement) : -1;
      part.replaceChildren(...other.childNodes);
      for (const one of part.querySelectorAll("details > summary")) if (open.has(one.textContent)) one.parentElement.open = true;
      if (focused >= 0) part.querySelectorAll("a,button,summary")[focused]?.focus();
      changed = true;
      if (part.dataset.announce) announce(part.querySelector("[data-say]")?.textContent ?? part.dataset.announce);
    }
    if (away) { away = 0; document.getElementById("away")?.remove(); announce("mmconnect answers again"); }
  } catch {
    if (!away) {
      away = Date.now();
      const told = document.createElement("p");
      told.id = "away";
      told.className = "notice warn";
      told.textContent = `mmconnect is not reachable since ${new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }).format(away)}. This page shows how it was, and goes on when it is back.`;
      document.getElementById("main").prepend(told);
      announce(told.textContent);
    }
  }
  wait = changed ? QUICK : Math.min(wait * 1.25, SLOW);
};
const schedule = () => { clearTimeout(timer); timer = setTimeout(async () => { await renew(); schedule(); }, wait); };
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer); else { wait = QUICK; renew().then(schedule); }
});

// -- dialogs: what `<a data-dialog>` leads to, over this page ----------------------------------------------------------
const inDialog = async (link) => {
  const answer = await fetch(link.href, { redirect: "follow" });
  const body = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-dialog-body]");
  if (!body) { location.href = link.href; return; }
  const dialog = document.createElement("dialog");
  dialog.append(body);
  const title = body.querySelector("h1");
  if (title) { const second = document.createElement("h2"); second.id = "dialog-title"; second.textContent = title.textContent; title.replaceWith(second); dialog.setAttribute("aria-labelledby", "dialog-title"); }
  document.body.append(dialog);
  offerCopying(dialog);
  tellTimes(dialog);
  dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-dialog-close]")) { event.preventDefault(); dialog.close(); }
  });
  dialog.showModal();
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  inDialog(link).catch(() => { location.href = link.href; });
});

// -- a field that is looked at while it is typed: `<input data-look=URL data-into=ID>`; the part may propose a name -----
const looking = (field) => {
  let timer = 0, asked = 0;
  const look = async () => {
    const number = ++asked;
    const into = document.getElementById(field.dataset.into);
    const ticked = new Set([...into.querySelectorAll("input:checked")].map((one) => one.id));
    const answer = await fetch(`${field.dataset.look}?${new URLSearchParams({ [field.name]: field.value })}`);
    if (!answer.ok || number !== asked) return;
    const part = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(into.id);
    for (const one of part.querySelectorAll("input")) if (ticked.has(one.id)) one.checked = true;
    into.replaceChildren(...part.childNodes);
    document.getElementById(`${field.id}-wrong`)?.remove();  // what was said of what stood there before
    field.removeAttribute("aria-invalid");
    const name = document.getElementById("name");
    if (name && !name.required) name.placeholder = part.dataset.name;
  };
  field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => look().catch(() => {}), 400); });
  if (field.value && !document.getElementById(field.dataset.into).children.length) look().catch(() => {});
};
for (const field of document.querySelectorAll("[data-look]")) looking(field);

// -- a choice that this browser remembers: `<div data-remember=NAME>` around links with ?NAME=… -------------------------
const remembered = async (group) => {
  const name = group.dataset.remember, part = group.closest("[id]");
  const was = localStorage.getItem(name), here = new URLSearchParams(location.search).get(name);
  if (here) { localStorage.setItem(name, here); return; }
  const link = [...group.querySelectorAll("a")].find((one) => new URL(one.href).searchParams.get(name) === was);
  if (!link || link.hasAttribute("aria-current")) return;
  const answer = await fetch(link.href);
  const other = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
  if (!other) return;
  part.replaceChildren(...other.childNodes);
  offerCopying(part);
};
for (const group of document.querySelectorAll("[data-remember]")) remembered(group).catch(() => { /* one that remembers nothing */ });

// -- keys: `/` to search, and a form that is sent is sent once ------------------------------------------------------------
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
  const box = document.querySelector("input[type=search]");
  if (box) { event.preventDefault(); box.focus(); }
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  setTimeout(() => { delete form.dataset.sent; }, 10000);
});
addEventListener("pageshow", () => { for (const form of document.forms) delete form.dataset.sent; });

// -- a service that starts anew: `<p data-returns=URL>` goes on there when the next run answers ---------------------------
const waitFor = async (url) => {
  let away = false;
  for (let tries = 1; tries < 600; tries++) {
    await new Promise((done) => { setTimeout(done, 1000); });
    const told = await fetch(url, { redirect: "manual", cache: "no-store" }).catch(() => null);
    // who was logged in is led to the door by the next run; where nothing was restored, nobody is
    if (told && (told.type === "opaqueredirect" || (told.ok && (away || tries > 30)))) break;
    away ||= !told;
  }
  location = url;
};
for (const part of document.querySelectorAll("[data-returns]")) waitFor(part.dataset.returns);

// -- a code that came in the link's fragment, which no server sees: into its field, and out of the address ---------------
const takeFromHash = () => {
  const field = document.querySelector("[data-from-hash]");
  if (!field || location.hash.length < 2) return;
  field.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname + location.search);
  document.querySelector("input[type=password]")?.focus();
};
addEventListener("hashchange", takeFromHash);

takeFromHash();
offerCopying(document);
tellTimes(document);
setInterval(() => tellTimes(document), 15000);
if (document.querySelector("[data-live][id]")) schedule();
if (document.querySelector("[data-updated]")) { tellRenewed(); setInterval(() => { if (!document.hidden) tellRenewed(); }, 1000); }
