// Ben's browser: the accept page, in a frame of its own.
const $ = (id) => document.getElementById(id);
const gateway = document.body.dataset.gateway;
let opener = null;

export const isOffer = (address) => address.startsWith(`${gateway}/a/`);

export const open = (address, from) => {
  opener = from;
  $("accept").hidden = false;
  document.querySelector("main").classList.add("accepting");
  $("address").textContent = address.replace(/^https?:\/\//, "");
  $("own-tab").href = address;
  $("page").src = address;
  $("page").focus();
  document.dispatchEvent(new Event("accepting"));
};

export const close = () => {
  if ($("accept").hidden) return;
  $("accept").hidden = true;
  document.querySelector("main").classList.remove("accepting");
  $("page").src = "about:blank";
  opener?.focus();
  document.dispatchEvent(new Event("accepting"));
};

export const startAccept = () => {
  $("close").addEventListener("click", close);
  $("copy").addEventListener("click", async (event) => {
    await navigator.clipboard.writeText(event.target.dataset.number);
    event.target.textContent = "Copied";
    setTimeout(() => (event.target.textContent = "Copy"), 1500);
  });
};
