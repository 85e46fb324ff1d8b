"use strict";
// Shows the preview while one types. Each look goes into a frame of its own, which takes the place of the former when it is there:
// so nothing flickers, and the browser's way back is not filled with looks. What is shown says itself for whom it is, or what is
// wrong: then the editor marks the place, and the former look stays. Nothing in the frame can run; we only read it.
(() => {
  const PAUSE = 450;
  let made = 0;

  function follow(section) {
    const form = section.closest("form");
    if (!form) return;
    const said = section.querySelector("[data-preview-said]");
    const buttons = [...section.querySelectorAll("button[name=look]")];
    let [look, timer] = [buttons[0], 0];

    function choose(button) {
      look = button;
      buttons.forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
      section.dataset.look = button.value;
    }

    function words({ subject, recipient, is_made_up, error }) {
      if (!error) return `${subject || "no subject"} · to ${is_made_up ? "somebody made up" : recipient}`;
      return error.line ? `${error.template}, line ${error.line}, column ${error.column}: ${error.message}` : error.message;
    }

    // What the frame says of itself; nothing if it is no preview, such as after the session's end.
    function told(frame) {
      try {
        return JSON.parse(frame.contentDocument.querySelector("meta[name=tidings-preview]").content);
      } catch {
        return null;
      }
    }

    // `asked`: somebody pressed a button, and sees what is wrong in the frame too.
    function show(old, frame, asked) {
      const checked = told(frame);
      said.textContent = checked ? words(checked) : "No preview: the server does not answer as it should.";
      said.classList.toggle("bad", !checked || Boolean(checked.error));
      if (checked) form.dispatchEvent(new CustomEvent("tidings:checked", { bubbles: true, detail: checked }));
      if (!checked || (checked.error && !asked)) { frame.remove(); return; }
      frame.hidden = false;
      old.remove();
    }

    function refresh(asked) {
      clearTimeout(timer);
      const old = section.querySelector("iframe:not([hidden])");
      // One that is still under way is not waited for any more.
      section.querySelectorAll("iframe[hidden]").forEach((frame) => frame.remove());
      const frame = old.cloneNode();
      frame.name = `preview-${++made}`;
      frame.hidden = true;
      old.after(frame);
      frame.addEventListener("load", () => show(old, frame, asked), { once: true });
      look.formTarget = frame.name;
      form.requestSubmit(look);
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
