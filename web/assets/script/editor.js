"use strict";
// Colours for what is written in a textarea with data-editor ("html", "handlebars" or "text"), numbers of lines, and the place of a
// fault (data-error-line, data-error-column, data-error). The textarea stays what is written into: the colours lie behind it. Tab
// leaves it, as it leaves every field.
(() => {
  // What is longer is shown without colours, so that typing never waits.
  const MOST = 120000;
  const WORDS = { mustache: /\{\{\{?[\s\S]*?\}\}\}?/ };
  const make = (tag, name) => {
    const element = document.createElement(tag);
    element.className = name;
    element.setAttribute("aria-hidden", "true");
    return element;
  };

  function coloured(text, kind) {
    if (kind === "text") return Prism.highlight(text, WORDS, "words");
    return Prism.highlight(text, Prism.languages.handlebars, "handlebars");
  }

  function enhance(area) {
    const box = make("div", "editor");
    box.removeAttribute("aria-hidden");
    const sheet = document.createElement("div");
    sheet.className = "sheet";
    const [gutter, colours, marks] = [make("pre", "gutter"), make("pre", "colours"), make("pre", "marks")];
    area.before(box);
    sheet.append(marks, colours, area);
    box.append(gutter, sheet);
    area.wrap = "off";
    let lines = 0;

    const follow = () => {
      for (const layer of [colours, marks]) { layer.scrollLeft = area.scrollLeft; layer.scrollTop = area.scrollTop; }
      gutter.scrollTop = area.scrollTop;
    };

    function draw() {
      const text = area.value;
      // A last line that is empty has a height only if something stands in it.
      if (text.length > MOST) colours.textContent = `${text}\n `;
      else colours.innerHTML = `${coloured(text, area.dataset.editor)}\n `;
      const n = text.split("\n").length;
      if (n !== lines) { lines = n; number(); }
      follow();
    }

    function number() {
      const wrong = Number(area.dataset.errorLine || 0);
      gutter.replaceChildren(...Array.from({ length: lines }, (_, at) => {
        const line = document.createElement("span");
        line.textContent = `${at + 1}\n`;
        if (at + 1 === wrong) line.className = "wrong";
        return line;
      }), "\n");
    }

    // The words before the place are there, unseen, so that the mark stands where the place is.
    function mark() {
      marks.replaceChildren();
      number();
      const [line, column] = [Number(area.dataset.errorLine || 0), Number(area.dataset.errorColumn || 1)];
      if (!line) return;
      const rows = area.value.split("\n");
      const row = Array.from(rows[line - 1] ?? "");
      const place = document.createElement("mark");
      place.textContent = row[column - 1] ?? " ";
      marks.append(`${rows.slice(0, line - 1).map((before) => `${before}\n`).join("")}${row.slice(0, column - 1).join("")}`, place, `${row.slice(column).join("")}\n${rows.slice(line).join("\n")}\n `);
      follow();
    }

    let waiting = 0;
    area.addEventListener("input", () => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(draw);
    });
    area.addEventListener("scroll", follow, { passive: true });
    area.addEventListener("tidings:fault", mark);
    draw();
    mark();
    // To the fault, when the page was opened with one.
    const wrong = Number(area.dataset.errorLine || 0);
    if (wrong > 4) area.scrollTop = (wrong - 4) * parseFloat(getComputedStyle(area).lineHeight);
  }

  // Says in a field what is wrong, and where; nothing if `fault` is none.
  function say(area, fault) {
    for (const name of ["error", "errorLine", "errorColumn"]) delete area.dataset[name];
    const id = `${area.id}-fault`;
    const field = area.closest(".field") ?? area.parentElement;
    // What the server said of the same field makes room for what is known now.
    let words = document.getElementById(id) ?? (fault && field.querySelector(".error"));
    if (fault) {
      if (fault.line) Object.assign(area.dataset, { errorLine: fault.line, errorColumn: fault.column });
      area.dataset.error = fault.message;
      area.setAttribute("aria-invalid", "true");
      if (!words) {
        words = document.createElement("p");
        words.className = "error";
        field.append(words);
      }
      words.id = id;
      area.setAttribute("aria-describedby", id);
      words.textContent = fault.line ? `Line ${fault.line}, column ${fault.column}: ${fault.message}` : fault.message;
    } else {
      words?.remove();
      if (!field.querySelector(".error")) area.removeAttribute("aria-invalid");
    }
    area.dispatchEvent(new Event("tidings:fault"));
  }

  document.addEventListener("tidings:checked", ({ target, detail }) => {
    const fault = detail.error;
    for (const field of target.querySelectorAll("[name=subject], [data-editor]")) {
      const here = fault && field.name === fault.part ? fault : null;
      if (here || field.dataset.error !== undefined || field.hasAttribute("aria-invalid")) say(field, here);
    }
  });

  document.querySelectorAll("textarea[data-editor]").forEach(enhance);
})();
