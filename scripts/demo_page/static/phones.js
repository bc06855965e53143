// The two telephones, the way between them, and what can be heard on it.
import { listen } from "./sound.js";

const shown = document.body.dataset.shown.replaceAll(" ", "\u00a0");
const cards = Object.fromEntries([...document.querySelectorAll(".phone")].map((card) => [card.dataset.key, card]));
const bridge = document.getElementById("bridge");

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds) % 60).padStart(2, "0")}`;
const put = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
const putHtml = (element, ...parts) => {
  const text = parts.map((part) => part.textContent ?? part).join("");
  if (element.textContent !== text) element.replaceChildren(...parts);
};
const bold = (text) => Object.assign(document.createElement("b"), { textContent: text });

const says = (phone) => {
  switch (phone.state) {
    case "ringing":
      return "Ringing";
    case "talking":
      return "In a call";
    case "over":
      return "Call over";
    default:
      return "Ready";
  }
};

const showPhone = (card, phone) => {
  const find = (selector) => card.querySelector(selector);
  const rings = phone.state === "ringing";
  const up = phone.state === "talking";
  card.dataset.state = phone.state;
  const waits = up && !phone.pressed;
  card.classList.toggle("asked", waits && phone.hears !== "" && !phone.by_itself);
  put(find(".state"), says(phone)); // a live region: so the clock, which changes each second, stands beside it
  put(find(".clock"), up || (phone.state === "over" && phone.seconds) ? clock(phone.seconds) : "");
  if (phone.state === "idle") put(find(".caller"), "");
  else if (phone.state === "over") put(find(".caller"), phone.ended);
  else putHtml(find(".caller"), "shows ", bold(phone.caller));
  find(".caller").title = phone.network ? `The call came by ${phone.network}` : "";
  find(".meter").style.setProperty("--level", phone.level);
  if (phone.hears === "Ada" || phone.hears === "Ben") putHtml(find(".hears"), "hears ", bold(phone.hears));
  else put(find(".hears"), phone.hears ? `hears ${phone.hears}` : phone.state === "talking" ? "hears nothing" : "");
  find("[data-do=answer]").disabled = !rings;
  find("[data-do=hang-up]").disabled = !rings && !up;
  put(find("[data-do=hang-up] span"), rings ? "Decline" : "Hang up");
  for (const key of card.querySelectorAll(".key")) key.disabled = !up;
  find("[data-do=by-itself]").checked = phone.by_itself;
};

const showBridge = ({ ben, ada }) => {
  const live = (phone) => phone.state === "ringing" || phone.state === "talking";
  const joined = ben.hears === "Ada" && ada.hears === "Ben";
  const [left, right] = bridge.querySelectorAll("i");
  for (const [wire, phone] of [[left, ben], [right, ada]]) {
    wire.classList.toggle("calling", phone.state === "ringing");
    wire.classList.toggle("up", phone.state === "talking");
  }
  bridge.dataset.state = joined ? "talking" : live(ben) || live(ada) ? "calling" : "idle";
  const words = joined ? "Ada and Ben are talking"
    : ada.state === "talking" && ben.state === "talking" ? "Ada is asked to press 1"
    : ada.state === "ringing" ? "Calling Ada"
    : ben.state === "talking" ? (ben.pressed ? "One moment …" : "Ben hears who offers the call")
    : ben.state === "ringing" ? "Calling Ben"
    : ben.state === "over" ? "The call is over" : "No call";
  put(bridge.querySelector(".says"), words);
  const note = document.getElementById("hidden-note");
  if (joined) put(note, `Both displays show ${shown}. Neither learns the other’s number.`);
  else if (bridge.dataset.state === "idle") put(note, "Two real SIP telephones and a real Asterisk between them.");
  else put(note, ben.state === "talking" && !ben.pressed && !ben.by_itself ? "Press 1 on Ben’s telephone." : "");
};

export const showPhones = (phones) => {
  for (const [key, phone] of Object.entries(phones)) {
    showPhone(cards[key], phone);
    listen.ring(key, phone.state === "ringing");
  }
  showBridge(phones);
};

export const startPhones = () => {
  for (const [key, card] of Object.entries(cards)) {
    const act = (action) => fetch(`telephones/${key}/${action}`, { method: "POST" });
    for (const button of card.querySelectorAll("button[data-do]")) button.addEventListener("click", () => act(button.dataset.do));
    card.querySelector("[data-do=by-itself]").addEventListener("change", (event) => act(event.target.checked ? "by-itself" : "by-hand"));
    card.querySelector("[data-listen]").addEventListener("click", (event) => {
      const on = listen.toggle(key);
      event.currentTarget.setAttribute("aria-pressed", String(on));
    });
  }
};
