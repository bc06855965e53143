// Waking the page that listens when it is closed: its service worker, and a subscription to the browser's push service
// (Push API, RFC 8030) that is handed to the gateway. The browser is asked for notifications when somebody presses.
"use strict";
(() => {
  const card = document.getElementById("closed");
  const say = document.getElementById("closed-say");
  const on = document.getElementById("closed-on");
  const off = document.getElementById("closed-off");
  const words = card.dataset;
  const can = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
  let worker = null;

  const show = (name, subscribed) => {
    say.textContent = name ? words[name] : "";
    on.hidden = subscribed || !can || (window.Notification && Notification.permission === "denied");
    off.hidden = !subscribed;
  };
  const octets = (text) => {
    const base64 = text.replace(/-/g, "+").replace(/_/g, "/");
    return Uint8Array.from(atob(base64 + "=".repeat((4 - (base64.length % 4)) % 4)), (each) => each.charCodeAt(0));
  };
  const base64url = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const tell = async (method, fields) => {
    const body = new URLSearchParams({ key: words.key, ...fields });
    const answer = await fetch(words.post, { method, body });
    if (!answer.ok) throw new Error(`${answer.status}`);
  };
  const subscribe = async () => {
    const key = octets(words.serverKey);
    let found = await worker.pushManager.getSubscription();
    const theirs = found && found.options && found.options.applicationServerKey;
    if (theirs && base64url(theirs) !== words.serverKey) { // made with a key that the gateway has no more
      await found.unsubscribe();
      found = null;
    }
    found = found || (await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }));
    await tell("POST", {
      endpoint: found.endpoint,
      p256dh: base64url(found.getKey("p256dh")),
      auth: base64url(found.getKey("auth")),
    });
  };
  const begin = async () => {
    if (!can) return show("no", false);
    worker = await navigator.serviceWorker.register(words.worker, { scope: words.scope, updateViaCache: "none" });
    if (Notification.permission === "denied") return show("blocked", false);
    if (words.on && Notification.permission === "granted" && (await worker.pushManager.getSubscription())) {
      show("isOn", true);
      return subscribe(); // the browser may have changed it meanwhile
    }
    show("", false);
  };

  on.addEventListener("click", async () => {
    if (!worker) return;
    on.setAttribute("aria-disabled", "true");
    try {
      if ((await Notification.requestPermission()) !== "granted") {
        show(Notification.permission === "denied" ? "blocked" : "", false);
        return;
      }
      await navigator.serviceWorker.ready;
      await subscribe();
      show("isOn", true);
      off.focus();
    } catch {
      show("failed", false);
    } finally {
      on.removeAttribute("aria-disabled");
    }
  });
  off.addEventListener("click", async () => {
    try {
      await tell("DELETE", {});
      const found = worker && (await worker.pushManager.getSubscription());
      if (found) await found.unsubscribe();
      show("", false);
      on.focus();
    } catch {
      show("failed", true);
    }
  });
  begin().catch(() => show("failed", !off.hidden));
})();
