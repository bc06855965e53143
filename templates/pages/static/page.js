// Comforts of the accept page; everything works without them.
// The page follows the call by server-sent events; where these do not come through, it asks again every few seconds.
"use strict";
(() => {
  const main = document.getElementById("main");
  const panel = document.getElementById("panel");
  const live = document.getElementById("live");
  const SILENT_MS = 6000; // nothing at all has come: something on the way holds the stream back
  const POLL_MS = 4000;
  let source = null;
  let silence = 0;
  let ticking = 0;

  // --- the running time: counted from what the server said, so a wrong clock here does no harm
  const tick = () => {
    clearInterval(ticking);
    const clock = document.getElementById("clock");
    if (!clock) return;
    const began = performance.now() - Number(clock.dataset.elapsed) * 1000;
    ticking = setInterval(() => {
      const seconds = Math.floor((performance.now() - began) / 1000);
      const two = (n) => String(n).padStart(2, "0");
      const hours = Math.floor(seconds / 3600);
      const minutes = Math.floor(seconds / 60) % 60;
      clock.textContent = (hours ? `${hours}:${two(minutes)}` : String(minutes)) + `:${two(seconds % 60)}`;
    }, 250);
  };

  // --- the form
  const remembered = () => {
    const number = document.getElementById("number");
    if (!number) return;
    try {
      const kept = JSON.parse(sessionStorage.getItem("number") || "null");
      if (kept && !number.value) {
        number.value = kept.number;
        const other = kept.number && number.closest("details");
        if (other) other.open = true;
        const region = document.getElementById("region");
        if (region && kept.region) region.value = kept.region;
      }
    } catch { /* no storage: nothing is remembered */ }
  };
  let shapes = null; // region: [example, calling code, digits before a national number, how many digits follow]
  const shapesOf = async (address) => {
    try {
      shapes ||= await (await fetch(address)).json();
    } catch { /* not there: nothing is checked here, and the server checks anyway */ }
    return shapes || {};
  };
  const verdictOn = (typed, region) => {
    let digits = typed.replace(/[^+\d]/g, "").replace(/^00/, "+");
    let [, , trunk, lengths] = shapes[region] || ["", "", "", []];
    if (digits.startsWith("+")) {
      const codes = Object.values(shapes).filter(([, code]) => digits.startsWith(`+${code}`));
      if (!codes.length) return "";
      const code = codes.reduce((a, b) => (b[1].length > a[1].length ? b : a))[1];
      lengths = codes.filter((each) => each[1] === code).flatMap((each) => each[3]);
      digits = digits.slice(1 + code.length);
    } else if (trunk && digits.startsWith(trunk)) {
      digits = digits.slice(trunk.length);
    }
    if (!digits || !lengths.length) return "";
    if (lengths.includes(digits.length)) return "good";
    return digits.length > Math.max(...lengths) ? "long" : "short";
  };
  const check = async (left) => {
    const out = document.getElementById("number-check");
    const number = document.getElementById("number");
    const region = document.getElementById("region");
    await shapesOf(out.dataset.numbers);
    const verdict = shapes ? verdictOn(number.value, region.value) : "";
    // too short is everybody while typing: that is said to who has left the field
    const said = verdict === "short" && !left ? "" : verdict;
    out.className = `hint ${said}`;
    out.textContent = said ? out.dataset[said] : "";
  };
  const showExample = async () => {
    const example = document.getElementById("example");
    const region = document.getElementById("region");
    const all = await shapesOf(document.getElementById("number-check").dataset.numbers);
    if (all[region.value] && all[region.value][0]) example.textContent = all[region.value][0];
  };
  document.addEventListener("input", (event) => {
    if (event.target.id === "number") check(false);
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "region") showExample();
    if (["number", "region"].includes(event.target.id)) check(true);
  });
  const remember = () => {
    const number = document.getElementById("number");
    const region = document.getElementById("region");
    if (!number) return;
    try {
      sessionStorage.setItem("number", JSON.stringify({ number: number.value, region: region ? region.value : "" }));
    } catch { /* no storage: nothing is remembered */ }
  };
  document.addEventListener("submit", (event) => {
    remember(); // for the page that comes next, also where only the language is another
    const button = event.target.querySelector("button[data-busy]");
    if (!button) return;
    if (button.getAttribute("aria-disabled") === "true") {
      event.preventDefault(); // the second press of a double press; the server would not call twice either
      return;
    }
    button.setAttribute("aria-disabled", "true");
    button.querySelector("span").textContent = button.dataset.busy;
  });

  // --- talking from the page: only where browser and page can, and the script for it only when it is asked for
  const talk = document.getElementById("talk");
  const canTalk = () =>
    Boolean(talk && window.isSecureContext && window.RTCPeerConnection && window.WebSocket && navigator.mediaDevices);
  const talking = () => Boolean(talk && talk.dataset.busy);
  const offerTalk = () => {
    const offer = document.getElementById("talk-offer");
    if (offer && canTalk() && talk.hidden) offer.hidden = false;
    const elsewhere = document.getElementById("elsewhere");
    if (elsewhere && canTalk()) elsewhere.hidden = false;
  };
  const openTalk = async () => {
    document.getElementById("talk-offer").hidden = true;
    talk.hidden = false;
    try {
      (await import(talk.dataset.script)).open(talk, () => {
        talk.hidden = true;
        offerTalk();
      });
    } catch {
      document.getElementById("talk-say").textContent = talk.dataset.failed;
    }
  };
  document.addEventListener("click", (event) => {
    if (event.isTrusted && event.target.closest("#talk-open")) openTalk(); // a press, not a script's click
  });

  // --- the call
  const show = (news) => {
    if (news.key === panel.dataset.key) return;
    const before = document.activeElement;
    const lost = before && panel.contains(before);
    panel.dataset.key = news.key;
    panel.innerHTML = news.panel; // from our own server, escaped there
    document.title = news.title;
    live.textContent = news.say;
    if (lost) document.getElementById("title").focus();
    tick();
    remembered();
    offerTalk();
  };
  const close = () => {
    clearTimeout(silence);
    if (source) source.close();
    source = null;
  };
  const again = () => {
    if (talking()) return watch(); // leaving would end the call
    location.replace(main.dataset.page); // not reload(): this may be the answer to a POST
  };
  const poll = () => {
    close();
    if (main.dataset.watch !== "call" || document.hidden) return;
    setTimeout(async () => {
      try {
        const answer = await fetch(main.dataset.page, { cache: "no-store" });
        if (answer.status < 500) return again();
      } catch { /* not there: a restart, or no network */ }
      poll(); // leaving for a page that does not come would lose this one
    }, POLL_MS);
  };
  const watch = () => {
    if (source || main.dataset.watch === "no" || document.hidden) return;
    source = new EventSource(`${main.dataset.events}?seen=${encodeURIComponent(panel.dataset.key)}`);
    silence = setTimeout(poll, SILENT_MS);
    source.onmessage = (event) => {
      clearTimeout(silence);
      const news = JSON.parse(event.data);
      show(news);
      main.dataset.watch = news.watch; // "call": under way; "open": a press in another tab would change it; "no"
      if (!news.more) close();
    };
    source.onerror = () => {
      if (source && source.readyState === EventSource.CLOSED) poll();
    };
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : watch()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) again(); // out of the back/forward cache: the truth may be another by now
  });

  // The answer to a POST takes the page's own address: reload and back ask for the page, and send nothing again.
  if (location.pathname !== main.dataset.page) history.replaceState(null, "", main.dataset.page);

  tick();
  remembered();
  offerTalk();
  // The page that listens leads here by a press of "Talk from this page": the microphone's test, and no call yet.
  if (location.hash === "#talk" && canTalk() && document.getElementById("talk-offer")) openTalk();
  watch();
})();
