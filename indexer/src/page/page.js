// Fetches the page again and swaps its middle, unless nobody looks or somebody is selecting text.
"use strict";
const PERIOD_MS = 2000;

async function refresh() {
  const selection = document.getSelection();
  if (document.hidden || (selection && !selection.isCollapsed)) return;
  try {
    const response = await fetch(location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("live");
    const live = document.getElementById("live");
    if (!fresh || !live) return;
    document.body.classList.remove("stale");
    if (fresh.innerHTML === live.innerHTML) return;
    const focused = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    live.replaceChildren(...fresh.childNodes);
    if (focused) live.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  } catch {
    document.body.classList.add("stale");
  }
}

(async function loop() {
  for (;;) {
    await new Promise((done) => setTimeout(done, PERIOD_MS));
    await refresh();
  }
})();
