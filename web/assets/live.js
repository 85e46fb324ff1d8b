"use strict";
// Puts the figures of each snapshot into the page. Everything is formatted by the server; when the page's shape
// changes (a campaign begins, ends or is new), the page is fetched again and its main part exchanged.
(() => {
  const link = document.querySelector("[data-link]");
  const say = (text, bad) => { link.textContent = text; link.classList.toggle("bad", Boolean(bad)); };
  const main = () => document.querySelector("main");
  const put = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
  const set = (element, name, value) => { if (element) element.setAttribute(name, value); };

  let fetching = false;
  async function refetch() {
    if (fetching) return;
    fetching = true;
    try {
      const answer = await fetch(location.href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok && page.querySelector("main")) main().replaceWith(page.querySelector("main"));
    } catch { /* the event stream tells that the server is away */ } finally { fetching = false; }
  }

  function showRate(live) {
    const part = document.querySelector('[data-part="rate"]');
    if (!part) return;
    put(part.querySelector('[data-n="rate"]'), live.rate);
    put(part.querySelector('[data-n="top"]'), live.top);
    set(part.querySelector('[data-points="line"]'), "points", live.line);
    set(part.querySelector('[data-points="area"]'), "points", live.area);
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
      const label = card.querySelector(`li.${segment.key}`);
      if (label) label.classList.toggle("none", segment.n === 0);
    }
  }

  let last = 0;
  const source = new EventSource("/events");
  source.onmessage = (event) => {
    const live = JSON.parse(event.data);
    say(live.problem || "live", live.problem);
    showRate(live);
    live.campaigns.forEach(showCampaign);
    const shape = main().dataset.structure;
    if (shape !== undefined && shape !== live.structure) refetch();
    const every = Number(main().dataset.refetch || 0) * 1000;
    if (every && event.timeStamp - last > every) { last = event.timeStamp; refetch(); }
  };
  source.onerror = () => say("no connection to the server; trying again", true);
})();
