// The two telephones, the way between them, and what can be heard on it.
import { byPage, ordinary } from "./call.js";
import { clock, put } from "./show.js";
import { listen } from "./sound.js";

const shown = document.body.dataset.shown.replaceAll(" ", "\u00a0");
const cards = Object.fromEntries([...document.querySelectorAll(".phone")].map((card) => [card.dataset.key, card]));
const bridge = document.getElementById("bridge");
const NAMES = ["Ada", "Ben"];

const putHtml = (element, ...parts) => {
  const text = parts.map((part) => part.textContent ?? part).join("");
  if (element.textContent !== text) element.replaceChildren(...parts);
};
const bold = (text) => Object.assign(document.createElement("b"), { textContent: text });

const says = (phone) => {
  switch (phone.state) {
    case "calling":
      return "Calling";
    case "ringing":
      return "Ringing";
    case "talking":
      return "In a call";
    case "over":
      return phone.busy ? "Busy" : "Call over";
    default:
      return phone.busy ? "Busy" : "Ready";
  }
};

const showPhone = (card, phone) => {
  const find = (selector) => card.querySelector(selector);
  const rings = phone.state === "ringing";
  const up = phone.state === "talking";
  card.dataset.state = phone.state;
  const waits = up && !phone.pressed && !phone.outgoing;
  card.classList.toggle("asked", waits && phone.hears !== "" && !NAMES.includes(phone.hears) && !phone.by_itself);
  put(find(".state"), says(phone)); // a live region: so the clock, which changes each second, stands beside it
  put(find(".clock"), up || (phone.state === "over" && phone.seconds) ? clock(phone.seconds) : "");
  if (phone.state === "idle") put(find(".caller"), "");
  else if (phone.state === "over") put(find(".caller"), phone.ended);
  else putHtml(find(".caller"), phone.outgoing ? "called " : "shows ", bold(phone.caller));
  find(".caller").title = phone.network && !phone.outgoing ? `The call came by ${phone.network}` : "";
  find(".meter").style.setProperty("--level", phone.level);
  if (NAMES.includes(phone.hears)) putHtml(find(".hears"), "hears ", bold(phone.hears));
  else put(find(".hears"), phone.hears ? `hears ${phone.hears}` : phone.state === "talking" ? "hears nothing" : "");
  find("[data-do=answer]").disabled = !rings;
  find("[data-do=hang-up]").disabled = !rings && !up && phone.state !== "calling";
  put(find("[data-do=hang-up] span"), rings ? "Decline" : "Hang up");
  for (const key of card.querySelectorAll(".key")) key.disabled = !up;
  put(find("[data-do=press-1] small"), phone.outgoing ? "call me back" : "take it");
  put(find("[data-do=press-9] small"), phone.outgoing ? "" : "not me");
  find("[data-do=by-itself]").checked = phone.by_itself;
};

const words = ({ phones: { ben, ada }, desk }, talk) => {
  if (talk) return "Ada and Ben are talking";
  if (ada.state === "talking" && !ada.outgoing) return "Ada is asked to press 1";
  if (ada.state === "ringing") return "Calling Ada";
  if (ben.state === "talking") return ben.pressed ? "One moment …" : "Ben hears who offers the call";
  if (ben.state === "ringing" || ada.state === "calling") return "Calling Ben";
  if (ada.state === "talking" && desk.state === "declined") return "Ada hears Ben’s words";
  if (ada.state === "talking") return ada.hears === "music" ? "Ada holds" : "Ada hears that Ben was told";
  return ben.state === "over" || ada.state === "over" ? "The call is over" : "No call";
};

const showBridge = (picture) => {
  const { ben, ada } = picture.phones;
  const live = (phone) => phone.state !== "idle" && phone.state !== "over";
  const talk = byPage(picture) || (ben.hears === "Ada" && ada.hears === "Ben");
  const [left, right] = bridge.querySelectorAll("i");
  for (const [wire, phone] of [[left, ben], [right, ada]]) {
    wire.classList.toggle("calling", phone.state === "ringing" || phone.state === "calling");
    wire.classList.toggle("out", phone.state === "calling");
    wire.classList.toggle("up", phone.state === "talking" || talk);
  }
  bridge.dataset.state = talk ? "talking" : live(ben) || live(ada) ? "calling" : "idle";
  put(bridge.querySelector(".says"), words(picture, talk));
  const note = document.getElementById("hidden-note");
  if (byPage(picture)) put(note, "Ben talks from the page. Neither learns the other’s number.");
  else if (ordinary(picture)) put(note, "Ben has answered an ordinary call.");
  else if (talk) put(note, `${ada.outgoing ? "Ben’s display shows" : "Both displays show"} ${shown}. Neither learns the other’s number.`);
  else if (bridge.dataset.state === "idle") put(note, "Two real SIP telephones and a real Asterisk between them.");
  else put(note, ben.state === "talking" && !ben.pressed && !ben.by_itself ? "Press 1 on Ben’s telephone." : "");
};

export const showPhones = (picture) => {
  for (const [key, phone] of Object.entries(picture.phones)) {
    showPhone(cards[key], phone);
    listen.ring(key, phone.state === "ringing");
  }
  showBridge(picture);
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
