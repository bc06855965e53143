// The demo's page: one live stream from the server, shown by the parts below. No state is kept here that matters.
import { close, startAccept } from "./accept.js";
import { byPage, joined, ordinary, setLine, showCall, showScreen, startCall } from "./call.js";
import { showMail, startMail } from "./mail.js";
import { showPhones, startPhones } from "./phones.js";

const body = document.body;
const $ = (id) => document.getElementById(id);

// --- light or dark -------------------------------------------------------------------------------------------------
const dark = () => (body.parentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const kept = localStorage.getItem("theme");
if (kept) body.parentElement.dataset.theme = kept;
$("theme").addEventListener("click", () => {
  const theme = dark() ? "light" : "dark";
  body.parentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
});

// --- the scenes ------------------------------------------------------------------------------------------------------
const sceneNow = () => (location.hash === "#call" ? "call" : "mail");
const showScene = () => {
  const scene = sceneNow();
  for (const part of document.querySelectorAll("[data-scene]")) part.hidden = part.dataset.scene !== scene;
  for (const link of document.querySelectorAll(".scenes a")) {
    if (link.hash === `#${scene}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  close();
  setLine(scene === "call"); // Ben is on another call where the scene is about that
  showJourney();
};

// --- the way from e-mail, or from a call that fails, to a call ---------------------------------------------------------
const journey = (at) => {
  [...document.querySelectorAll(`.journey[data-scene=${sceneNow()}] li`)].forEach((step, number) => {
    step.classList.toggle("done", number < at);
    if (number === at) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  });
};
const byMail = (picture, accepting) => {
  const { mail, phones } = picture;
  const states = Object.values(phones).map((phone) => phone.state);
  if (byPage(picture) || (phones.ben.hears === "Ada" && phones.ada.hears === "Ben")) talked = true;
  if (!states.some((state) => state === "ringing" || state === "talking")) {
    if (states.every((state) => state === "idle")) talked = false;
    if (talked) return 5;
    return mail.length === 0 ? 0 : accepting ? 2 : 1;
  }
  return talked ? 4 : 3;
};
const byCall = (picture, accepting) => {
  const { ada, ben } = picture.phones;
  if (!ada.outgoing || ada.state === "idle") return 0;
  if (joined(picture)) talkedIn = ada.call_id;
  const talked = talkedIn === ada.call_id;
  if (ada.state === "talking") return talked ? 4 : ordinary(picture) ? 0 : accepting ? 3 : 2;
  return talked ? 5 : ada.state === "calling" && ben.busy ? 1 : 0;
};
let talked = false;
let talkedIn = "";

// --- the stream --------------------------------------------------------------------------------------------------------
let picture = null;
const showJourney = () => {
  if (!picture) return;
  const reached = sceneNow() === "call" ? byCall : byMail;
  journey(reached(picture, !$("accept").hidden));
};
startMail();
startCall();
startAccept();
startPhones();
document.addEventListener("accepting", showJourney);
addEventListener("hashchange", showScene);
showScene();
const live = new EventSource("live");
live.onmessage = (event) => {
  picture = JSON.parse(event.data);
  $("gone").hidden = true;
  showMail(picture.mail);
  showScreen(picture.desk);
  showCall(picture);
  showPhones(picture);
  showJourney();
};
live.onerror = () => {
  $("gone").hidden = false;
};
