// Times are shown in the reader's own zone: the browser knows it, and the page can only guess. Everything works without.
"use strict";
(() => {
  const main = document.getElementById("main");
  if (main.dataset.zone) { // only where nobody has chosen one
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone && zone !== main.dataset.zone) location.replace(`${main.dataset.page}?zone=${encodeURIComponent(zone)}`);
  }
  // the answer to a POST takes the page's own address: reload and back ask for the page, and send nothing again
  if (location.pathname !== main.dataset.page) history.replaceState(null, "", main.dataset.page);
  const region = document.getElementById("region");
  const number = document.getElementById("number");
  try {
    const kept = JSON.parse(sessionStorage.getItem("number") || "null");
    if (number && number.required && kept && !number.value) {
      number.value = kept.number;
      if (region && kept.region) region.value = kept.region;
    }
  } catch { /* no storage: nothing is remembered */ }
  const example = document.getElementById("example");
  if (region && example && example.dataset.numbers) {
    region.addEventListener("change", async () => {
      try {
        const all = await (await fetch(example.dataset.numbers)).json();
        const [written] = all[region.value] || [""];
        if (written) example.textContent = written;
      } catch { /* the old example stays */ }
    });
  }
  document.addEventListener("submit", (event) => {
    const button = event.target.querySelector("button[data-busy]");
    if (!button) return;
    if (button.getAttribute("aria-disabled") === "true") {
      event.preventDefault(); // the second press of a double press; the server would not book twice either
      return;
    }
    button.setAttribute("aria-disabled", "true");
    button.querySelector("span").textContent = button.dataset.busy;
  });
})();
