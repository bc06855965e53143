// The page that listens as a telephone: calls that lead to its owner ring here, while somebody wants them to.
//
// What a call is and how it sounds is in talk.js, which is loaded when calls are wanted. The microphone is asked for
// once, so that nobody who is called has to decide that first, and let go of until a call is answered.
"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const section = by("ring");
  const words = section.dataset;
  const panel = by("talk");
  const main = by("main");
  let talk = null;
  let on = false;
  let before = "";

  const say = (name) => { by("ring-say").textContent = name ? words[name] : ""; };
  const kept = () => {
    try { return localStorage.getItem("listen.ring") === "on"; } catch { return false; }
  };
  const keep = (value) => {
    try { localStorage.setItem("listen.ring", value); } catch { /* no storage: it holds for this page */ }
  };
  const show = () => {
    by("ring-on").hidden = on;
    by("ring-off").hidden = !on;
  };
  const quiet = () => {
    if (before) document.title = before;
    before = "";
  };
  const notify = async (title) => {
    if (!document.hidden || !("serviceWorker" in navigator)) return;
    if (!window.Notification || Notification.permission !== "granted") return;
    const worker = await navigator.serviceWorker.getRegistration(main.dataset.page);
    if (worker) await worker.showNotification(title, { tag: "ring", renotify: true, data: { page: main.dataset.page } });
  };
  const rings = (text) => {
    before = before || document.title;
    document.title = text;
    notify(text).catch(() => {});
  };
  const stand = async () => {
    talk = talk || await import(panel.dataset.script);
    talk.stand(panel, {
      here: () => say("on"),
      lost: () => { if (on) say("lost"); },
      rings,
      quiet,
      closed: () => { if (on) by("ring-off").focus(); },
    });
    on = true;
    keep("on");
    show();
  };
  const begin = async () => {
    say("");
    by("ring-on").setAttribute("aria-disabled", "true");
    try {
      talk = talk || await import(panel.dataset.script);
      await talk.allowed();
    } catch (error) {
      say(error.name === "NotAllowedError" ? "denied" : "noDevice");
      return;
    } finally {
      by("ring-on").removeAttribute("aria-disabled");
    }
    await stand();
    by("ring-off").focus();
  };
  const end = () => {
    on = false;
    if (talk) talk.leaveOff();
    quiet();
    show();
    say("off");
  };

  by("ring-on").addEventListener("click", () => {
    if (by("ring-on").getAttribute("aria-disabled") !== "true") begin();
  });
  by("ring-off").addEventListener("click", () => {
    keep("off");
    end();
    by("ring-on").focus();
  });
  document.addEventListener("signed-out", () => { // listen.js says so
    end();
    by("ring-on").hidden = true;
    say("signedOut");
  });
  const wake = async () => {
    if (!window.isSecureContext || !window.RTCPeerConnection || !navigator.mediaDevices) {
      say("unable");
      return;
    }
    show();
    if (!kept()) return;
    // not every browser tells; what is not known to be allowed is asked for when somebody presses
    const query = navigator.permissions ? navigator.permissions.query({ name: "microphone" }) : Promise.reject();
    const state = await query.then((found) => found.state).catch(() => "prompt");
    if (state === "granted") await stand();
    else say("again");
  };
  wake();
})();
