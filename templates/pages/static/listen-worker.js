// The service worker of the page that listens: wakes where the page is closed, and leads back to it. It keeps nothing,
// answers no requests, and holds no words: what is shown comes with the push (mailgate/pushing.py), encrypted.
"use strict";

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("push", (event) => {
  let told = {};
  try {
    told = event.data.json();
  } catch { /* nothing, or nothing of ours: something must be shown all the same (userVisibleOnly) */ }
  const icon = new URL("../../icon.png", self.location).href;
  event.waitUntil(
    self.registration.showNotification(String(told.title || self.location.host), {
      tag: String(told.tag || "call"),
      renotify: true,
      requireInteraction: true,
      icon,
      badge: icon,
      lang: String(told.language || ""),
      vibrate: [200, 100, 200],
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil((async () => {
    const page = self.registration.scope;
    const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const there = open.find((each) => new URL(each.url).pathname === new URL(page).pathname);
    await (there ? there.focus() : self.clients.openWindow(page));
  })());
});
