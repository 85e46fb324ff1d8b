"use strict";
// Shows the preview while one types. First it is asked whether the newsletter can be shown: if not, the editor marks the place, and
// the frame keeps what it shows. Each look goes into a frame of its own, which takes the place of the former when it is there:
// so nothing flickers, and the browser's way back is not filled with looks.
(() => {
  const PAUSE = 450;
  let made = 0;

  function follow(section) {
    const form = section.closest("form");
    if (!form) return;
    const said = section.querySelector("[data-preview-said]");
    const buttons = [...section.querySelectorAll("button[name=look]")];
    let [look, timer, asking] = [buttons[0], 0, null];

    function choose(button) {
      look = button;
      buttons.forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
      section.dataset.look = button.value;
    }

    function show() {
      const old = section.querySelector("iframe:not([hidden])");
      section.querySelectorAll("iframe[hidden]").forEach((frame) => frame.remove());
      const frame = old.cloneNode();
      frame.name = `preview-${++made}`;
      frame.hidden = true;
      old.after(frame);
      frame.addEventListener("load", () => { frame.hidden = false; old.remove(); }, { once: true });
      look.formTarget = frame.name;
      form.requestSubmit(look);
    }

    function words(answer) {
      const { error } = answer;
      if (!error) return `${answer.subject || "no subject"} · to ${answer.is_made_up ? "somebody made up" : answer.recipient}`;
      return error.line ? `${error.template}, line ${error.line}, column ${error.column}: ${error.message}` : error.message;
    }

    async function refresh(asked) {
      clearTimeout(timer);
      asking?.abort();
      const now = asking = new AbortController();
      const fields = new URLSearchParams([...new FormData(form, look)].filter(([, value]) => typeof value === "string"));
      try {
        const answer = await fetch("/preview", { method: "POST", body: fields, headers: { Accept: "application/json" }, signal: now.signal });
        if (answer.status !== 200 && answer.status !== 422) throw new Error(String(answer.status));
        const checked = await answer.json();
        said.textContent = words(checked);
        said.classList.toggle("bad", Boolean(checked.error));
        form.dispatchEvent(new CustomEvent("tidings:checked", { bubbles: true, detail: checked }));
        if (asked || !checked.error) show();
      } catch (trouble) {
        if (trouble.name !== "AbortError") said.textContent = "No preview: the server does not answer as it should.";
      }
    }

    buttons.forEach((button) => button.addEventListener("click", (event) => {
      event.preventDefault();
      choose(button);
      refresh(true);
    }));
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(refresh, PAUSE, false); });
    choose(look);
    refresh(true);
  }

  document.querySelectorAll("[data-preview]").forEach(follow);
})();
