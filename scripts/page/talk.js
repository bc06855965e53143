// Talk from this page: microphone test, call, mute, keypad, hang up. Loaded by page.js when somebody asks for it; and
// by listen-phone.js, for a page that rings when it is called.
//
// The call is SIP over a WebSocket of the page's own server; audio goes by WebRTC. A page that calls does so to a nonce
// that it was given for this one call, and what is shown of the call (calling, connected, ended) comes from the server,
// as for every call. A page that is called registers nowhere: while its WebSocket is open, it can be reached.
// A page that goes away ends its call; one whose connection drops comes back and says where it is now.
import { UA, WebSocketInterface } from "jssip";

const by = (id) => document.getElementById(id);
const QUIET_MS = 50; // between two looks at the level
const HEARD_AT = 0.35; // of the meter: somebody speaks
const QUIET_AFTER_MS = 5000; // by then most have said something
const BEEP_S = 0.6;
const GATHER_MS = 1000; // for addresses of this device; those that are there by then must do
const LONGEST_WAIT_S = 30; // between two tries to be reachable again
const RING_MS = 3000;
const SETTLE_MS = 500; // a press that is sooner was meant for what stood there, or was typed elsewhere, before the call
const LONGEST_RING_S = 600; // who calls gives up; what Asterisk is told is no longer than this (mailgate/calls/action.py)
const TESTING = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

let panel = null;
let closed = () => {};
let microphone = null;
let meter = null;
let agent = null;
let session = null;
let rung = null; // for a page that rings: what its own script does then
let bell = 0;

const say = (name) => { by("talk-say").textContent = name ? panel.dataset[name] : ""; };
const show = (...names) => {
  for (const name of ["talk-test", "talk-sound", "talk-before", "talk-ring", "talk-during", "talk-close"]) {
    if (by(name)) by(name).hidden = !names.includes(name);
  }
};

// --- the microphone, and what is said of it before the call
const judged = () => {
  const began = performance.now();
  let said = "";
  return (level) => {
    if (said === "heard" || panel.dataset.busy) return;
    const now = level > HEARD_AT ? "heard" : performance.now() - began > QUIET_AFTER_MS ? "quiet" : "";
    if (now && now !== said) say(said = now);
  };
};
const listen = () => {
  stopListening();
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(microphone).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const judge = judged();
  const clock = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, s) => sum + s * s, 0) / samples.length;
    // 60 dB of range: a whisper shows, a shout does not stick at the end
    const level = Math.max(0, Math.min(1, 1 + Math.log10(Math.max(power, 1e-6)) / 6));
    by("talk-level").value = level;
    judge(level);
  }, QUIET_MS);
  meter = () => { clearInterval(clock); context.close(); };
};
const stopListening = () => {
  if (meter) meter();
  meter = null;
};
const take = async (deviceId) => {
  const device = deviceId ? { deviceId: { exact: deviceId } } : {};
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { ...TESTING, ...device }, video: false });
  if (microphone) for (const track of microphone.getTracks()) track.stop();
  microphone = stream;
  listen();
};
const release = () => {
  stopListening();
  if (microphone) for (const track of microphone.getTracks()) track.stop();
  microphone = null;
};
const listDevices = async () => {
  if (!microphone) return;
  const devices = await navigator.mediaDevices.enumerateDevices();
  const fill = (select, kind, now) => {
    const found = devices.filter((d) => d.kind === kind);
    select.replaceChildren(...found.map((d, n) => {
      const option = new Option(d.label || `${n + 1}`, d.deviceId);
      option.selected = d.deviceId === now;
      return option;
    }));
    return found.length;
  };
  fill(by("talk-device"), "audioinput", microphone.getAudioTracks()[0].getSettings().deviceId);
  // not every browser lets a page choose; where there is one only, there is nothing to choose
  const far = by("talk-far");
  by("talk-speakers").hidden = !far.setSinkId || fill(by("talk-speaker"), "audiooutput", far.sinkId || "default") < 2;
};
const onSpeaker = async () => {
  try {
    await by("talk-far").setSinkId(by("talk-speaker").value);
  } catch {
    await listDevices(); // that one cannot be had: the old one stays
  }
};
const beep = async () => {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination(); // through the element, so that it comes where the call will
  const [tone, volume] = [context.createOscillator(), context.createGain()];
  tone.frequency.value = 660;
  volume.gain.value = 0.2;
  tone.connect(volume).connect(out);
  by("talk-far").srcObject = out.stream;
  await by("talk-far").play();
  tone.start();
  tone.stop(context.currentTime + BEEP_S);
  tone.onended = () => {
    context.close();
    if (by("talk-far").srcObject === out.stream) by("talk-far").srcObject = null; // the call's own sound stays
  };
};

// --- the call
const hex = (buffer) => [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, "0")).join("");
const ask = async () => {
  const nonce = document.querySelector("#call input[name=nonce]").value;
  const proof = hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`talk ${nonce}`)));
  const answer = await fetch(panel.dataset.post, { method: "POST", body: new URLSearchParams({ nonce, proof }) });
  const order = await answer.json();
  if (!answer.ok) throw new Refused(order.say);
  return order;
};
class Refused extends Error {}

const start = async () => {
  by("talk-start").setAttribute("aria-disabled", "true");
  let order;
  try {
    order = await ask();
  } catch (error) {
    over(error instanceof Refused ? error.message : panel.dataset.failed);
    return;
  } finally {
    by("talk-start").removeAttribute("aria-disabled");
  }
  panel.dataset.busy = "yes";
  show("talk-sound", "talk-during");
  say("calling");
  agent = agentAt(order.socket, 4);
  let connections = 0;
  agent.on("connected", () => {
    connections += 1;
    if (connections === 1) place(order);
    else backAgain();
  });
  agent.on("disconnected", () => {
    if (session && session.isEstablished()) say("lost");
    else if (!connections) over(panel.dataset.failed);
  });
  agent.start();
};
const agentAt = (path, longestWaitS) =>
  new UA({
    sockets: [new WebSocketInterface(new URL(path, location.href).href.replace(/^http/, "ws"))],
    uri: `sip:page@${location.hostname}`,
    register: false,
    session_timers: false,
    no_answer_timeout: LONGEST_RING_S,
    connection_recovery_min_interval: 1,
    connection_recovery_max_interval: longestWaitS,
    user_agent: "page",
  });
const backAgain = () => {
  if (!session || !session.isEstablished()) return;
  session.renegotiate(); // tells Asterisk where this page is now; without it a goodbye never comes
  say("connected");
};
const place = (order) => {
  session = agent.call(`sip:${order.call}@${location.hostname}`, {
    mediaStream: microphone,
    pcConfig: { iceServers: order.ice },
    rtcOfferConstraints: { offerToReceiveAudio: true, offerToReceiveVideo: false },
  });
  follow();
  hear(session.connection);
  session.on("failed", () => over(panel.dataset.failed));
};
const follow = () => {
  let hurry = 0;
  session.on("icecandidate", ({ ready }) => { hurry ||= setTimeout(ready, GATHER_MS); });
  session.on("confirmed", () => say("connected"));
  session.on("ended", () => over(panel.dataset.over));
};
const hear = (connection) => {
  connection.addEventListener("track", (event) => {
    by("talk-far").srcObject = event.streams[0] || new MediaStream([event.track]);
  });
};
const leave = () => {
  if (session && !session.isEnded()) session.terminate();
  session = null;
  if (agent) agent.stop();
  agent = null;
};
const over = (text) => {
  quiet();
  session = null;
  if (agent && !rung) agent.stop(); // a page that rings stays where it can be reached
  if (!rung) agent = null;
  release();
  by("talk-mute").setAttribute("aria-pressed", "false");
  delete panel.dataset.busy;
  by("talk-say").textContent = text;
  if (!text || text === panel.dataset.over) { // the page itself tells how it ended, and offers what comes next
    show();
    closed(text);
  } else {
    show("talk-close");
  }
};

// --- a page that rings
const ringing = () => {
  const context = new AudioContext();
  const once = () => {
    if (context.state !== "running") return; // browsers play nothing before somebody has touched the page
    [0, 0.4].forEach((later) => {
      const [tone, volume] = [context.createOscillator(), context.createGain()];
      tone.frequency.value = 660;
      volume.gain.value = 0.15;
      tone.connect(volume).connect(context.destination);
      tone.start(context.currentTime + later);
      tone.stop(context.currentTime + later + 0.25);
    });
    if (navigator.vibrate) navigator.vibrate([250, 150, 250]);
  };
  once();
  const clock = setInterval(once, RING_MS);
  bell = () => { clearInterval(clock); context.close(); };
};
const quiet = () => {
  if (bell) bell();
  bell = 0;
  if (rung) rung.quiet();
};
let settling = 0;
const settle = (keys) => {
  delete keys.dataset.settled;
  clearTimeout(settling);
  settling = setTimeout(() => { keys.dataset.settled = "yes"; }, SETTLE_MS);
};
const onCall = async ({ originator, session: come, request }) => {
  if (originator !== "remote") return;
  if (session) {
    come.terminate({ status_code: 486 }); // busy: RFC 3261, 21.4.24
    return;
  }
  session = come;
  follow();
  come.on("peerconnection", ({ peerconnection }) => hear(peerconnection));
  come.on("failed", () => { if (come === session) over(come.data.answered ? panel.dataset.failed : ""); });
  const answer = await fetch(panel.dataset.caller + request.ruri.getParam("attempt")).catch(() => null);
  const order = answer && answer.ok ? await answer.json() : { say: panel.dataset.unknown, ice: [] };
  if (session !== come) return; // it was not for long
  come.data.ice = order.ice;
  panel.hidden = false;
  show("talk-ring");
  settle(by("talk-ring"));
  by("talk-say").textContent = order.say;
  rung.rings(order.say);
  ringing();
  by("talk-answer").focus();
};
const answer = async () => {
  const come = session;
  if (!come || come.data.answered) return;
  come.data.answered = true;
  quiet();
  panel.dataset.busy = "yes";
  show("talk-sound", "talk-during");
  say("calling");
  try {
    await take("");
    await listDevices();
  } catch (error) {
    if (session !== come) return; // nobody waits any more, or somebody else does
    come.terminate({ status_code: 480 }); // RFC 3261, 21.4.18: the next telephone is tried
    over(error.name === "NotAllowedError" ? panel.dataset.denied : panel.dataset.noDevice);
    return;
  }
  if (session !== come) { // nobody waits any more
    release();
    return;
  }
  come.answer({ mediaStream: microphone, pcConfig: { iceServers: come.data.ice } });
};
export const allowed = async () => { // asks whether the microphone may be used; raises as getUserMedia
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: false });
  for (const track of stream.getTracks()) track.stop();
};
export const stand = (section, script) => { // `script`: here(), lost(), rings(text), quiet(), closed(text)
  rung = script;
  wire(section, (text) => { panel.hidden = true; script.closed(text); });
  agent = agentAt(section.dataset.socket, LONGEST_WAIT_S);
  agent.on("connected", () => { script.here(); backAgain(); });
  agent.on("disconnected", ({ code }) => {
    if (session && session.isEstablished()) say("lost");
    script.lost(code);
  });
  agent.on("newRTCSession", onCall);
  agent.start();
};
export const leaveOff = () => { leave(); release(); quiet(); panel.hidden = true; };

// --- what is pressed
const press = {
  "talk-answer": answer,
  "talk-refuse": () => { // 603, not 486: nobody is to be called elsewhere for it (RFC 3261, 21.6.2)
    if (session) session.terminate({ status_code: 603 });
    over("");
  },
  "talk-start": start,
  "talk-beep": beep,
  "talk-close": () => { release(); show(); say(""); closed(); },
  "talk-hang-up": () => {
    if (session && !session.isEnded()) session.terminate();
    over(panel.dataset.over);
  },
  "talk-mute": () => {
    if (!session) return;
    const off = by("talk-mute").getAttribute("aria-pressed") !== "true";
    if (off) session.mute({ audio: true });
    else session.unmute({ audio: true });
    by("talk-mute").setAttribute("aria-pressed", String(off));
    say(off ? "muted" : "connected");
  },
};
const onClick = (event) => {
  const button = event.target.closest("button");
  if (!event.isTrusted || !button || button.getAttribute("aria-disabled") === "true") return;
  if (button.closest("#talk-ring:not([data-settled])")) return;
  if (button.dataset.key && session) session.sendDTMF(button.dataset.key, { transportType: "RFC2833" });
  else press[button.id]?.();
};
const onDevice = async () => {
  try {
    await take(by("talk-device").value);
    const sender = session && session.connection.getSenders().find((s) => s.track && s.track.kind === "audio");
    if (sender) await sender.replaceTrack(microphone.getAudioTracks()[0]);
    if (session && session.isMuted().audio) session.mute({ audio: true });
  } catch {
    await listDevices(); // that one cannot be had: the old one stays
  }
};

const wire = (section, whenClosed) => {
  closed = whenClosed;
  if (panel) return;
  panel = section;
  panel.addEventListener("click", onClick);
  by("talk-device").addEventListener("change", onDevice);
  by("talk-speaker").addEventListener("change", onSpeaker);
  navigator.mediaDevices.addEventListener("devicechange", listDevices);
  addEventListener("pagehide", () => { leave(); release(); });
};
export const open = async (section, whenClosed) => {
  wire(section, whenClosed);
  show();
  say("asking");
  by("talk-title").focus();
  try {
    await take("");
    await listDevices();
    say("");
    show("talk-test", "talk-sound", "talk-before", "talk-close");
  } catch (error) {
    release();
    say(error.name === "NotAllowedError" ? "denied" : "noDevice");
    show("talk-close");
  }
};
