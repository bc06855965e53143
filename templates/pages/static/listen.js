// The page that listens: keeps a socket to the gateway, shows offers and news at once, and answers them.
//
// What is said on the socket is mailgate/listen/protocol.py. A message counts as shown when it is: while the page lies
// behind others it says so only where a notification stands for it, else when the page is looked at again, so that
// the gateway takes another way meanwhile. Words and forms are in the page, as data and templates.
"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const main = by("main");
  const words = main.dataset;
  const FIRST_WAIT_MS = 1000;
  const LONGEST_WAIT_MS = 30000;
  const STALE_MS = 3000; // by then the gateway has shown anew what still waits
  const FULL = 1013; // RFC 6455, 7.4 (IANA registry): try again later
  const MOST_NEWS = 20;
  const cards = new Map(); // offer → { element, url, id }
  const unseen = new Set(); // ids of messages that nobody has looked at yet
  let socket = null;
  let ready = false;
  let wait = FIRST_WAIT_MS;
  let retry = 0;
  let left = false;
  let audio = null;
  let making = "";

  const part = (element, name) => element.querySelector(`[data-part="${name}"]`);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
  const line = (name) => {
    by("line").className = `notice line ${name === "here" ? "here" : name === "connecting" ? "" : "lost"}`;
    if (by("line-say").textContent !== words[name]) by("line-say").textContent = words[name];
  };
  const kept = (name, otherwise) => {
    try { return localStorage.getItem(`listen.${name}`) || otherwise; } catch { return otherwise; }
  };
  const keep = (name, value) => {
    try { localStorage.setItem(`listen.${name}`, value); } catch { /* no storage: it holds for this page */ }
  };
  const say = (message) => {
    if (!ready) return false;
    socket.send(JSON.stringify(message));
    return true;
  };

  // --- noticing: the page itself, a sound, a notification of the system where the page lies behind others
  const announce = (text) => { by("live").textContent = text; };
  const count = () => {
    const open = [...cards.values()].filter((card) => card.element.dataset.open).length;
    by("none").hidden = !ready || open > 0 || cards.size > 0;
    const title = document.title.replace(/^\(\d+\) /, "");
    document.title = open ? `(${open}) ${title}` : title;
  };
  const ring = () => {
    if (!by("sound").checked) return;
    if (navigator.vibrate) navigator.vibrate([200, 100, 200]);
    if (!audio || audio.state !== "running") return; // browsers play nothing before somebody has touched the page
    [660, 880].forEach((hertz, n) => {
      const [tone, volume] = [audio.createOscillator(), audio.createGain()];
      const at = audio.currentTime + n * 0.22;
      tone.frequency.value = hertz;
      volume.gain.setValueAtTime(0.15, at);
      volume.gain.exponentialRampToValueAtTime(0.001, at + 0.2);
      tone.connect(volume).connect(audio.destination);
      tone.start(at);
      tone.stop(at + 0.2);
    });
  };
  const wakeSound = () => {
    if (!by("sound").checked || !window.AudioContext) return;
    audio = audio || new AudioContext();
    if (audio.state === "suspended") audio.resume().catch(() => {});
  };
  const notify = async (title, tag, quiet) => {
    if (!("serviceWorker" in navigator) || !window.Notification || Notification.permission !== "granted") return false;
    const worker = await navigator.serviceWorker.getRegistration(words.page);
    if (!worker) return false;
    await worker.showNotification(title, { tag, silent: quiet, renotify: !quiet, data: { page: words.page } });
    return true;
  };
  const shown = async (message, tag) => {
    if (!message.quiet) ring();
    if (!document.hidden) return say({ type: "shown", id: message.id });
    unseen.add(message.id);
    const told = await notify(message.title, tag, message.quiet).catch(() => false);
    if (told && unseen.delete(message.id)) say({ type: "shown", id: message.id });
    return told;
  };
  const looked = () => {
    if (document.hidden) return;
    for (const id of unseen) if (say({ type: "shown", id })) unseen.delete(id);
    if (!socket && !left) connect(); // a page that slept
  };

  // --- offers
  const button = (element, waits) => {
    for (const each of element.querySelectorAll("button")) each.setAttribute("aria-disabled", String(waits));
  };
  const tell = (element, text) => {
    part(element, "said").textContent = text;
    button(element, false);
  };
  const open = (card, may) => {
    const { element } = card;
    if (may) element.dataset.open = "1";
    else delete element.dataset.open;
    part(element, "ways").hidden = !may;
    element.querySelector(".answers").hidden = !may;
    part(element, "until").hidden = !may;
    count();
  };
  const state = (element, text) => {
    const said = part(element, "state");
    said.textContent = text;
    said.hidden = !text;
  };
  const canTalk = () =>
    Boolean(window.isSecureContext && window.RTCPeerConnection && window.WebSocket && navigator.mediaDevices);
  const press = (card, message) => {
    const { element } = card;
    if (element.querySelector('[aria-disabled="true"]')) return; // the second press of a double press
    if (!say({ ...message, offer: card.offer })) {
      tell(element, words.lost);
      return;
    }
    card.asked = message.type;
    part(element, "said").textContent = "";
    button(element, true);
  };
  const sends = (card, name, message) => {
    const details = part(card.element, name);
    details.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const fields = Object.fromEntries(new FormData(event.target));
      const filled = Object.values(fields).some((value) => value.trim());
      if (!filled) {
        tell(card.element, words.empty);
        event.target.querySelector("textarea").focus();
        return;
      }
      press(card, { ...message, ...fields });
    });
  };
  const made = (offer) => {
    const element = by("offer-card").content.firstElementChild.cloneNode(true);
    const article = element.querySelector("article");
    const card = { offer, element: article, item: element, asked: "" };
    for (const each of article.querySelectorAll("[data-accept]")) {
      each.addEventListener("click", () => press(card, { type: "accept", channel: each.dataset.accept }));
    }
    sends(card, "decline", { type: "decline" });
    sends(card, "reply", { type: "reply" });
    article.classList.add("new");
    by("offers").prepend(element);
    cards.set(offer, card);
    return card;
  };
  const onOffer = (message) => {
    const known = cards.get(message.offer);
    const card = known || made(message.offer);
    const { element } = card;
    const title = part(element, "title");
    title.id = `offer-${message.offer}`;
    element.setAttribute("aria-labelledby", title.id);
    title.textContent = message.title;
    part(element, "text").textContent = message.text;
    part(element, "text").hidden = !message.text;
    const until = part(element, "until");
    until.dataset.words = until.dataset.words || until.textContent;
    const when = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    until.textContent = fill(until.dataset.words, { until: when.format(new Date(message.expires_at * 1000)) });
    const to = part(element, "to");
    to.dataset.words = to.dataset.words || to.textContent;
    to.textContent = fill(to.dataset.words, { offeror: message.offeror });
    part(element, "holds").hidden = !message.on_line;
    const links = { talk: "#talk", later: "/later", page: "" };
    for (const [name, end] of Object.entries(links)) {
      const link = part(element, name);
      if (link) link.href = message.url + end;
    }
    const talk = part(element, "talk");
    if (talk) talk.hidden = !canTalk();
    delete card.stale;
    state(element, message.state === "booked" ? words.booked : "");
    open(card, true);
    if (!known) announce(message.title);
    shown(message, message.offer);
  };
  const onChanged = (message) => {
    const card = cards.get(message.offer);
    if (!card) return;
    const { element } = card;
    const taken = { declined: words.declined, booked: words.booked };
    let text = message.may_accept ? taken[message.state] || "" : taken[message.state] || words.gone;
    if (message.state === "connected") text = words.connected;
    else if (message.in_call) text = message.by ? fill(words.callingBy, { device: message.by }) : words.calling;
    else if (message.outcome) text = message.outcome === "completed" ? words.ended : words.failed;
    else if (card.asked === "reply" && message.may_accept) text = words.replied;
    state(element, text);
    part(element, "holds").hidden = !(message.on_line && message.may_accept);
    const lost = element.contains(document.activeElement) && !message.may_accept;
    // who has said no is not asked again, though the offer itself still stands
    open(card, message.may_accept && !message.in_call && message.state !== "declined");
    for (const details of element.querySelectorAll("details")) if (card.asked) details.open = false;
    if (card.asked === "reply") part(element, "reply").querySelector("textarea").value = "";
    card.asked = "";
    tell(element, "");
    if (text) announce(`${part(element, "title").textContent}. ${text}`);
    if (lost) element.focus();
  };
  const onRefused = (message) => {
    if (message.about === "make") {
      const reasons = { "own-address": words.makeOwn, suppressed: words.makeSuppressed, "too-many": words.makeMany };
      by("make-said").textContent = reasons[message.reason] || words.makeOther;
      return;
    }
    const card = cards.get(message.offer);
    if (!card) return;
    card.asked = "";
    const reasons = { taken: words.refusedTaken, "too-late": words.refusedLate, empty: words.empty };
    tell(card.element, reasons[message.reason] || words.refused);
    if (message.reason === "unknown" || message.reason === "too-late") {
      open(card, false);
      state(card.element, words.gone);
    }
  };

  // --- news
  const onNews = (message) => {
    const id = `news-${message.id}`;
    if (!by(id)) {
      const element = by("news-card").content.firstElementChild.cloneNode(true);
      const title = part(element, "title");
      title.id = id;
      element.querySelector("article").setAttribute("aria-labelledby", id);
      title.textContent = message.title;
      part(element, "text").textContent = message.text;
      part(element, "text").hidden = !message.text;
      const at = part(element, "at");
      at.dateTime = new Date().toISOString();
      at.textContent = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "short" }).format(new Date());
      by("news-list").prepend(element);
      while (by("news-list").children.length > MOST_NEWS) by("news-list").lastElementChild.remove();
      by("news").hidden = false;
      announce(message.title);
    }
    shown(message, message.id);
  };

  // --- the connection
  const onWelcome = () => {
    ready = true;
    wait = FIRST_WAIT_MS;
    line("here");
    for (const card of cards.values()) card.stale = true;
    setTimeout(() => {
      for (const [offer, card] of cards) {
        if (!card.stale || card.element.contains(document.activeElement)) continue;
        card.item.remove();
        cards.delete(offer);
      }
      count();
    }, STALE_MS);
    count();
    looked();
  };
  const onMade = (message) => {
    by("make-said").textContent = fill(words.made, { to: making || message.to });
    by("make-to").value = "";
  };
  const heard = {
    welcome: onWelcome, offer: onOffer, news: onNews, changed: onChanged, refused: onRefused, made: onMade,
  };
  const again = () => {
    clearTimeout(retry);
    retry = setTimeout(connect, wait * (0.75 + Math.random() / 2)); // not all at once after a restart
    wait = Math.min(LONGEST_WAIT_MS, wait * 2);
  };
  const closed = async (event) => {
    socket = null;
    ready = false;
    if (left) return;
    line(event.code === FULL ? "full" : "lost");
    for (const card of cards.values()) button(card.element, false);
    try { // a session that has ended leads elsewhere; a gateway that is away does not answer
      const answer = await fetch(words.page, { redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") {
        left = true;
        line("signedOut");
        document.dispatchEvent(new Event("signed-out"));
        return;
      }
    } catch { /* not there: a restart, or no network */ }
    again();
  };
  const connect = () => {
    clearTimeout(retry);
    if (socket || left) return;
    const address = new URL(words.socket, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    socket = new WebSocket(address);
    socket.onopen = () => {
      const hello = { type: "hello", name: words.device, status: by("status").value };
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (Object.hasOwn(heard, message.type)) heard[message.type](message);
    };
    socket.onclose = closed;
  };

  // --- what the reader sets
  const hint = () => { by("status-hint").textContent = by("status").selectedOptions[0].dataset.hint; };
  by("status").value = kept("status", "available");
  if (!by("status").value) by("status").value = "available";
  by("sound").checked = kept("sound", "") === "on";
  by("status").addEventListener("change", () => {
    keep("status", by("status").value);
    hint();
    say({ type: "presence", status: by("status").value });
  });
  by("sound").addEventListener("change", () => {
    keep("sound", by("sound").checked ? "on" : "off");
    wakeSound();
    if (by("sound").checked) setTimeout(ring, 100);
  });
  document.addEventListener("pointerdown", wakeSound);
  document.addEventListener("keydown", wakeSound);
  by("make").addEventListener("submit", (event) => {
    event.preventDefault();
    const to = by("make-to").value.trim();
    const destination = by("make-destination") ? by("make-destination").value : "";
    if (!by("make-to").checkValidity()) {
      by("make-said").textContent = words.makeOther;
      by("make-to").focus();
      return;
    }
    making = to;
    by("make-said").textContent = say({ type: "make", to, destination }) ? "" : words.lost;
  });
  document.addEventListener("visibilitychange", looked);
  window.addEventListener("online", () => { if (!socket) connect(); });
  window.addEventListener("pagehide", () => {
    left = true; // the close is no loss
    clearTimeout(retry);
    if (socket) socket.close();
  });
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    left = false;
    connect();
  });

  by("listening").hidden = false;
  line("connecting");
  hint();
  connect();
})();
