// The page that listens as a telephone: calls that lead to its owner ring here, while somebody wants them to.
//
// What a call is and how it sounds is in talk.js, which is loaded when calls are wanted. The microphone is asked for
// once, so that nobody who is called has to decide that first, and let go of until a call is answered. That calls come
// to the browser is wished by a press alone: a page that is loaded again takes them only where the account still has it.
"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const section = by("ring");
  const words = section.dataset;
  const panel = by("talk");
  const main = by("main");
  const NOT_WANTED = 4001; // mailgate/web/page_phone.py
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
    if (!before) return;
    document.title = before;
    before = "";
    unnotify().catch(() => {});
  };
  const unnotify = async () => { // who looks later would take it for a call that waits
    if (!("serviceWorker" in navigator)) return;
    const worker = await navigator.serviceWorker.getRegistration(main.dataset.page);
    if (worker) for (const each of await worker.getNotifications({ tag: "ring" })) each.close();
  };
  const notify = async (title) => {
    if (!document.hidden || !("serviceWorker" in navigator)) return;
    if (!window.Notification || Notification.permission !== "granted") return;
    const worker = await navigator.serviceWorker.getRegistration(main.dataset.page);
    if (worker) await worker.showNotification(title, { tag: "ring", renotify: true, data: { page: main.dataset.page } });
    if (!before) await unnotify(); // it was not for long
  };
  const rings = (text) => {
    before = before || document.title;
    document.title = text;
    notify(text).catch(() => {});
  };
  const stand = async () => {
    talk = talk || await import(panel.dataset.script);
    if (on) return; // pressed while the page found out by itself
    on = true;
    keep("on");
    show();
    talk.stand(panel, {
      here: () => say("on"),
      lost,
      rings,
      quiet,
      closed: () => { if (on) by("ring-off").focus(); },
    });
  };
  const wish = async () => {
    const body = new URLSearchParams({ key: words.key });
    const answer = await fetch(words.wish, { method: "POST", body }).catch(() => null);
    if (answer && !answer.ok) throw new Unwelcome();
    if (!answer) throw new Lost();
  };
  class Unwelcome extends Error { word = "signedOut"; }
  class Lost extends Error { word = "lost"; }
  const begin = async () => {
    say("");
    by("ring-on").setAttribute("aria-disabled", "true");
    try {
      talk = talk || await import(panel.dataset.script);
      await talk.allowed();
      await wish();
    } catch (error) {
      say(error.word || (error.name === "NotAllowedError" ? "denied" : "noDevice"));
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
  const lost = (code) => {
    if (!on) return;
    if (code === NOT_WANTED) { // it was taken out of the account meanwhile
      end();
      say("again");
    } else {
      say("lost");
    }
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
    if (!words.stands) {
      say("again");
      return;
    }
    // not every browser tells; what is not known to be allowed is asked for when somebody presses
    const query = navigator.permissions ? navigator.permissions.query({ name: "microphone" }) : Promise.reject();
    const state = await query.then((found) => found.state).catch(() => "prompt");
    if (state === "granted") await stand();
    else say("again");
  };
  addEventListener("pageshow", (event) => { // out of the browser's memory, without what it had when it was left
    if (!event.persisted || !on) return;
    end();
    stand();
  });
  wake();
})();
