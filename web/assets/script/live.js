"use strict";
// Puts the figures of each live event into the page. Everything is formatted by the server; when the page's shape changes
// (a campaign begins, a relay fails), the page is fetched again and its main part exchanged.
(() => {
  const link = document.querySelector("[data-link]");
  const main = () => document.getElementById("main");
  const say = (text, kind) => {
    if (!link) return;
    if (link.textContent !== text) link.textContent = text;
    link.className = `link ${kind}`;
  };
  const put = (element, text) => { if (element && text !== undefined && element.textContent !== text) element.textContent = text; };
  const set = (element, name, value) => { if (element && value !== undefined) element.setAttribute(name, value); };

  // What only a script can do is shown by it.
  function offer() {
    document.querySelectorAll("[data-print]").forEach((button) => { button.hidden = false; button.onclick = () => window.print(); });
  }
  // A zone that nobody has chosen yet is most likely that of whoever looks.
  function proposeZone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    document.querySelectorAll("input[data-browser-zone]").forEach((input) => { if (zone) input.value = zone; });
  }
  // Of tabs that do not all fit, that of the page is seen.
  document.querySelectorAll(".tabs [aria-current]").forEach((tab) => { const row = tab.closest(".tabs"); row.scrollLeft = tab.offsetLeft + tab.offsetWidth - row.clientWidth; });
  document.addEventListener("htmx:load", offer);
  proposeZone();
  offer();

  let fetching = false;
  function refetch() {
    // Not under somebody's hands.
    if (fetching || document.querySelector(":popover-open")) return;
    if (main().contains(document.activeElement?.closest("input, select, textarea"))) return;
    fetching = true;
    const held = main().contains(document.activeElement) ? document.activeElement : null;
    htmx.ajax("GET", location.pathname + location.search, { target: "#main", select: "#main", swap: "outerHTML" })
      .finally(() => { fetching = false; if (held) hold(held); });
  }

  // Whoever goes by keyboard stays where they were.
  function hold(held) {
    if (held.isConnected || document.activeElement !== document.body) return;
    const is = (one) => one.textContent === held.textContent && one.getAttribute("href") === held.getAttribute("href");
    const again = held.id === "main" ? main() : [...main().querySelectorAll(held.localName)].find(is);
    again?.focus({ preventScroll: true });
  }

  function showCampaign(campaign) {
    const card = document.querySelector(`[data-campaign="${campaign.id}"]`);
    if (!card) return;
    for (const [key, text] of Object.entries(campaign.texts)) put(card.querySelector(`[data-n="${key}"]`), text);
    for (const segment of campaign.segments) {
      const rect = card.querySelector(`rect[data-segment="${segment.key}"]`);
      set(rect, "x", segment.x);
      set(rect, "width", segment.width);
      put(card.querySelector(`b[data-n="${segment.key}"]`), segment.count);
      card.querySelector(`[data-part="${segment.key}"]`)?.classList.toggle("none", segment.n === 0);
    }
  }

  function show(live) {
    document.querySelectorAll("[data-text]").forEach((element) => put(element, live.texts[element.dataset.text]));
    document.querySelectorAll("[data-width]").forEach((element) => set(element, "width", live.widths[element.dataset.width]));
    document.querySelectorAll("[data-drawing]").forEach((element) => {
      const drawing = live.drawings[element.dataset.drawing];
      set(element.querySelector(".line"), "points", drawing?.line);
      set(element.querySelector(".area"), "points", drawing?.area);
    });
    live.campaigns.forEach(showCampaign);
    document.dispatchEvent(new CustomEvent("tidings:live", { detail: live }));
  }

  if (document.body.dataset.live === undefined) return;
  let last = performance.now();
  const source = new EventSource("/events");
  source.onmessage = (event) => {
    const live = JSON.parse(event.data);
    say(live.problem || "live", live.problem ? "bad" : "live");
    show(live);
    const shape = main().dataset.structure;
    const every = Number(main().dataset.refetch || 0) * 1000;
    const isOld = every > 0 && performance.now() - last > every;
    if (isOld) last = performance.now();
    if (isOld || (shape !== undefined && shape !== live.structure)) refetch();
  };
  // A stream ends every half minute and is opened again; only one that is refused is closed for good.
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) say("not connected; load the page again", "bad");
    else setTimeout(() => { if (source.readyState !== EventSource.OPEN) say("no connection; trying again", "bad"); }, 5000);
  };
})();
