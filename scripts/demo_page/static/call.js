// The second scene: Ada calls Ben's busy telephone, and what the listening application then shows on his screen.
import { isOffer, open } from "./accept.js";
import { clock, make, put } from "./show.js";

const $ = (id) => document.getElementById(id);
const KEPT = 60; // lines on the screen
let last = -1;

const post = (path, body) =>
  fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });

// --- Ben's screen ------------------------------------------------------------------------------------------------------
const shownLine = (line) => {
  const item = make("li", line.kind);
  if (!line.url || !isOffer(line.url)) {
    item.append(make("b", "", line.kind), ` ${line.text}`);
    return item;
  }
  const link = make("a", "primary", "Open in Ben’s browser");
  link.href = line.url;
  link.target = "_blank";
  link.rel = "noopener";
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(line.url, link);
  });
  item.append(make("b", "", line.title), make("p", "", line.text), link, make("code", "", `offer ${line.number}`));
  return item;
};

export const showScreen = ({ lines }) => {
  const fresh = lines.filter((line) => line.id > last);
  if (!fresh.length) return;
  last = fresh.at(-1).id;
  const screen = $("screen");
  screen.append(...fresh.map(shownLine));
  while (screen.children.length > KEPT) screen.firstChild.remove();
  screen.scrollTop = screen.scrollHeight;
};

const type = async (event) => {
  event.preventDefault();
  const field = $("typed");
  const answer = await post("screen", { line: field.value }).catch(() => null);
  if (answer?.ok) field.value = "";
  else $("screen").append(make("li", "wrong", answer ? (await answer.json()).error : "The demo does not answer."));
};

// --- Ada's call --------------------------------------------------------------------------------------------------------
export const joined = ({ phones, desk }) => phones.ada.outgoing && phones.ada.state === "talking" && desk.state === "connected";

// Ben talks, and not at his telephone. What a microphone brings is known by no tone: his application says that it is so.
export const byPage = ({ phones, desk }) => desk.state === "connected" && phones.ada.state === "talking" && phones.ben.state !== "talking";

// Ben has answered at his telephone, and Asterisk had nothing to tell.
export const ordinary = ({ phones, desk }) => phones.ada.outgoing && phones.ben.state === "talking" && desk.state !== "connected" && phones.ben.hears === "Ada";

const says = (picture) => {
  const { ada, ben } = picture.phones;
  if (!ada.outgoing) return "";
  if (ada.state === "calling") return ben.state === "ringing" ? "It rings: answer it below, or let it ring." : "";
  if (ada.state === "over") return `Over: ${ada.ended}.`;
  if (joined(picture)) return "It is the call that Ada began with: nobody was called back.";
  if (ordinary(picture)) return "An ordinary call: mailgate has no part in it.";
  if (picture.desk.state === "declined") return "Ben’s words are spoken to her, and end the call.";
  return "Ben was told, and Ada holds. Open the offer on Ben’s screen; or answer from there in words, which are spoken to her.";
};

export const showCall = (picture) => {
  const { ada, ben } = picture.phones;
  const live = ada.state !== "idle" && ada.state !== "over";
  $("ada-calls").disabled = live || !picture.desk.runs;
  for (const choice of $("line").querySelectorAll("input")) choice.checked = (choice.value === "busy") === ben.busy;
  const own = ada.outgoing && ada.state !== "idle";
  put($("held").querySelector("[data-is=call]"), own ? `${ada.call_id}${live && ada.state === "talking" ? ` · ${clock(ada.seconds)}` : ""}` : "none yet");
  put($("held").querySelector("[data-is=hears]"), own && live ? ada.hears || "nothing" : "nothing");
  put($("dial-says"), says(picture));
};

export const setLine = (busy) => post(`telephones/ben/${busy ? "busy" : "free"}`);

export const startCall = () => {
  $("ada-calls").addEventListener("click", () => post("telephones/ada/dial"));
  $("line").addEventListener("change", (event) => setLine(event.target.value === "busy"));
  $("types").addEventListener("submit", type);
};
