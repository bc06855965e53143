// The first scene: Ada's letter at the left, Ben's mailbox at the right.
import { isOffer, open } from "./accept.js";
import { make } from "./show.js";

const $ = (id) => document.getElementById(id);
let mail = [];
let chosen = -1;

// --- writing ---------------------------------------------------------------------------------------------------------
const NUMBER = /(?:\+|\b0)\d(?:[ .()/-]{0,2}\d){7,14}/g; // what hides in the text, marked behind it
const mark = () => {
  const text = $("text");
  const ghost = text.previousElementSibling;
  ghost.replaceChildren();
  let at = 0;
  for (const found of text.value.matchAll(NUMBER)) {
    ghost.append(text.value.slice(at, found.index), make("mark", "", found[0]));
    at = found.index + found[0].length;
  }
  ghost.append(text.value.slice(at) + "\n");
  ghost.scrollTop = text.scrollTop;
};

const send = async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector(".primary");
  const says = (text, wrong = false) => {
    $("sent").textContent = text;
    $("sent").classList.toggle("wrong", wrong);
  };
  button.disabled = true;
  says("Sending …");
  try {
    const letter = { subject: form.subject.value, text: form.text.value, rich: form.rich.value === "yes" };
    const answer = await fetch("letters", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(letter) });
    says(answer.ok ? "Postfix has it …" : (await answer.json()).error, !answer.ok);
  } catch {
    says("The demo does not answer.", true);
  }
  button.disabled = false;
};

// --- the mailbox -------------------------------------------------------------------------------------------------------
export const showMail = (now) => {
  if (now.length === mail.length) return;
  const before = mail.length;
  mail = now;
  const list = $("list");
  for (const message of mail.slice(before)) {
    const button = make("button", before ? "new" : "");
    button.type = "button";
    const subject = make("span", "subject");
    subject.append(make("b", "", message.from), ` · ${message.subject}`);
    button.append(make("span", "face", message.from.slice(0, 1)), subject, make("small", "", new Date().toTimeString().slice(0, 5)));
    button.addEventListener("click", () => choose(message.number));
    const item = make("li");
    item.append(button);
    list.prepend(item);
  }
  $("empty").hidden = true;
  document.querySelector(".tabs").hidden = false;
  const newest = mail.at(-1);
  if (newest.tookMs !== null && $("sent").textContent) $("sent").textContent = `Arrived in ${(newest.tookMs / 1000).toFixed(1)} s`;
  choose(newest.number);
};

const choose = async (number) => {
  chosen = number;
  const buttons = [...$("list").querySelectorAll("button")].reverse();
  buttons.forEach((button, n) => (n === number ? button.setAttribute("aria-current", "true") : button.removeAttribute("aria-current")));
  $("message").src = `messages/${number}`;
  const details = await (await fetch(`messages/${number}/details`)).json();
  if (chosen !== number) return;
  showText(details.text);
  showChanges(details.changes, details.known);
};

const showText = (text) => {
  const pre = $("view-text").querySelector("pre");
  pre.replaceChildren();
  let at = 0;
  for (const found of text.matchAll(/https?:\/\/\S+/g)) {
    const link = make("a", "", found[0]);
    link.href = found[0];
    link.target = "_blank";
    link.rel = "noopener";
    pre.append(text.slice(at, found.index), link);
    at = found.index + found[0].length;
  }
  pre.append(text.slice(at));
};

const row = (data) => {
  if (data.kind === "fold") {
    const details = make("details");
    if (data.hidden.every((each) => each.kind === "new")) details.className = "new";
    details.append(make("summary", "", data.text), ...data.hidden.map(row));
    return details;
  }
  const line = make("div", `row ${data.kind}`);
  const text = make("span");
  let at = 0;
  for (const [from, to] of data.marked) {
    text.append(data.text.slice(at, from), make("mark", "", data.text.slice(from, to)));
    at = to;
  }
  text.append(data.text.slice(at));
  line.append(text);
  return line;
};

const showChanges = (rows, known) => {
  const view = $("view-changes");
  const count = (kind) => rows.reduce((sum, each) => sum + (each.kind === kind ? 1 : 0) + each.hidden.filter((h) => h.kind === kind).length, 0);
  const key = make("p", "key");
  if (known) key.append(make("b", "", `${count("new")} lines came, ${count("gone")} went;`), "every other line is as Ada sent it.");
  else key.append("This message did not come from the left side.");
  view.replaceChildren(key, ...rows.map(row));
  view.scrollTop = 0;
};

// --- tabs, as the ARIA practices have them -------------------------------------------------------------------------------
const tabs = [...document.querySelectorAll("[role=tab]")];
const pick = (tab) => {
  for (const each of tabs) {
    const on = each === tab;
    each.setAttribute("aria-selected", String(on));
    each.tabIndex = on ? 0 : -1;
    $(each.getAttribute("aria-controls")).hidden = !on || !mail.length;
  }
};

// --- clicks in the message ---------------------------------------------------------------------------------------------------
// The frame runs no scripts; its links are listened to from here. A link elsewhere opens a tab of its own.
const follow = (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link) return;
  if (isOffer(link.href) && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    open(link.href, $("message"));
  } else if (!/^https?:/.test(link.href)) {
    event.preventDefault(); // a tel: or mailto: link would leave the page
  }
};

export const startMail = () => {
  $("letter").addEventListener("submit", send);
  $("text").addEventListener("input", mark);
  $("text").addEventListener("scroll", mark);
  mark();
  $("message").addEventListener("load", () => {
    const page = $("message").contentDocument;
    if (!page) return;
    pick(tabs.find((tab) => tab.getAttribute("aria-selected") === "true"));
    for (const link of page.links) {
      link.target = "_blank";
      link.rel = "noopener";
    }
    page.addEventListener("click", follow);
  });
  $("view-text").addEventListener("click", follow);
  tabs.forEach((tab, number) => {
    tab.addEventListener("click", () => pick(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(number + step + tabs.length) % tabs.length];
      pick(next);
      next.focus();
    });
  });
};
