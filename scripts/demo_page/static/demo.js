// The demo's page: one live stream from the server, shown by the parts below. No state is kept here that matters.
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

// --- the way from e-mail to call -------------------------------------------------------------------------------------
const steps = [...document.querySelectorAll(".journey li")];
const journey = (at) => {
  steps.forEach((step, number) => {
    step.classList.toggle("done", number < at);
    if (number === at) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  });
};
const reached = ({ mail, phones }, accepting) => {
  const states = Object.values(phones).map((phone) => phone.state);
  if (phones.ben.hears === "Ada" && phones.ada.hears === "Ben") talked = true;
  if (!states.some((state) => state === "ringing" || state === "talking")) {
    if (states.every((state) => state === "idle")) talked = false;
    if (talked) return 5;
    return mail.length === 0 ? 0 : accepting ? 2 : 1;
  }
  return talked ? 4 : 3;
};
let talked = false;

// --- the stream --------------------------------------------------------------------------------------------------------
let picture = null;
const showJourney = () => picture && journey(reached(picture, !$("accept").hidden));
startMail();
startPhones();
document.addEventListener("accepting", showJourney);
const live = new EventSource("live");
live.onmessage = (event) => {
  picture = JSON.parse(event.data);
  $("gone").hidden = true;
  showMail(picture.mail);
  showPhones(picture.phones);
  showJourney();
};
live.onerror = () => {
  $("gone").hidden = false;
};
