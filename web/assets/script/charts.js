"use strict";
// Draws the charts that the server drew as plain lines again, with axes and values under the pointer. The numbers stand in
// data-chart; a figure with data-chart-live takes one more value from each live event.
(() => {
  const plots = new Map();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const two = (n) => String(n).padStart(2, "0");
  const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

  // In UTC, as everywhere in the pages.
  function time(second, step) {
    const at = new Date(second * 1000);
    const clock = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
    const day = `${at.getUTCDate()} ${at.toLocaleString("en", { month: "short", timeZone: "UTC" })}`;
    if (step >= 86400) return day;
    return step < 60 ? `${clock}:${two(at.getUTCSeconds())}` : clock;
  }

  function options(figure, data) {
    const quiet = colour("--quiet");
    const font = `12px ${colour("--font")}`;
    const live = figure.dataset.chartLive !== undefined;
    const axis = { stroke: quiet, font, ticks: { show: false } };
    const line = (one, index) => {
      const stroke = colour(`--${one.key}`);
      // Without a pointer the last value is shown.
      const value = (plot, n, series) => number.format(n ?? plot.data[series].at(-1));
      return { label: one.label, stroke, width: 2, fill: index === 0 ? `${stroke}26` : undefined, points: { show: false }, value };
    };
    const moment = (plot, second) => {
      const at = second ?? plot.data[0].at(-1);
      return live ? time(at, 1) : `${time(at, 86400)}, ${time(at, 60)}`;
    };
    return {
      width: figure.clientWidth,
      height: figure.classList.contains("small") ? 130 : 220,
      padding: [8, 26, 0, 0],
      cursor: { y: false, drag: { x: !live, y: false } },
      scales: { y: { range: (plot, least, most) => [0, most > 0 ? most * 1.12 : 1] } },
      axes: [
        { ...axis, grid: { show: false }, space: 90, size: 26, values: (plot, splits, at, space, step) => splits.map((second) => time(second, step)) },
        { ...axis, grid: { stroke: colour("--edge"), width: 1 }, space: 34, size: 52, values: (plot, splits) => splits.map((n) => number.format(n)) },
      ],
      series: [{ label: "UTC", value: moment }, ...data.series.map(line)],
    };
  }

  function draw(figure) {
    const data = JSON.parse(figure.dataset.chart);
    if (!window.uPlot || data.x.length < 2) return;
    plots.get(figure)?.plot.destroy();
    const numbers = [data.x, ...data.series.map((one) => one.y)];
    figure.classList.add("drawn");
    plots.set(figure, { plot: new uPlot(options(figure, data), numbers, figure), data });
    sizes.observe(figure);
  }

  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = plots.get(target)?.plot;
      if (plot && target.clientWidth && plot.width !== target.clientWidth) plot.setSize({ width: target.clientWidth, height: plot.height });
    }
  });

  function drawAll() {
    for (const [figure, { plot }] of plots) {
      if (!figure.isConnected) { plot.destroy(); plots.delete(figure); sizes.unobserve(figure); }
    }
    document.querySelectorAll("[data-chart]").forEach((figure) => { if (!plots.has(figure)) draw(figure); });
  }

  // Two minutes, as the server keeps them.
  const SECONDS = 120;
  document.addEventListener("tidings:live", ({ detail }) => {
    for (const figure of document.querySelectorAll("[data-chart-live]")) {
      const known = plots.get(figure);
      const data = known ? known.data : JSON.parse(figure.dataset.chart);
      if (data.x.length && detail.at <= data.x[data.x.length - 1]) continue;
      data.x.push(detail.at);
      data.series[0].y.push(detail[figure.dataset.chartLive]);
      while (data.x[0] < detail.at - SECONDS) { data.x.shift(); data.series[0].y.shift(); }
      figure.dataset.chart = JSON.stringify(data);
      if (known) known.plot.setData([data.x, data.series[0].y]); else draw(figure);
    }
  });

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const figure of plots.keys()) draw(figure); });
  document.addEventListener("htmx:load", drawAll);
  drawAll();
})();
