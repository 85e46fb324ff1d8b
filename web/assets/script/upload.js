"use strict";
// A form with a file shows how far it is. Without a script the browser sends it by itself.
(() => {
  function prepare() {
    document.querySelectorAll("form[data-upload]").forEach((form) => { form.onsubmit = (event) => send(form, event); });
  }

  function send(form, event) {
    const file = form.querySelector("input[type=file]").files[0];
    const said = form.querySelector("[data-upload-said]");
    const bar = form.querySelector("progress");
    const button = form.querySelector("button");
    if (!file) return;
    event.preventDefault();
    said.className = "hint";
    if (file.size > Number(form.dataset.upload)) {
      said.className = "error";
      said.textContent = form.dataset.tooLarge;
      return;
    }
    const request = new XMLHttpRequest();
    const failed = (text) => {
      bar.hidden = true;
      button.disabled = false;
      said.className = "error";
      said.textContent = text;
    };
    request.upload.onprogress = (progress) => {
      const percent = Math.floor((100 * progress.loaded) / Math.max(progress.total, 1));
      bar.value = percent;
      said.textContent = percent < 100 ? `${percent} % uploaded` : "Uploaded; the server looks at the file";
    };
    request.onerror = () => failed("The upload broke off: is the server there? Upload the file again.");
    request.onload = () => {
      // A redirect has been followed: the page is asked for once more, under its address.
      if (request.status < 300) { location.assign(request.responseURL); return; }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      // What is wrong with a field is said beside it; the file that was chosen stays.
      const wrong = [...page.querySelectorAll("main .field")].filter((field) => field.querySelector(".error"));
      for (const field of wrong) document.getElementById(field.querySelector("input").id)?.closest(".field").replaceWith(field);
      if (wrong.length) { failed("Nothing was uploaded: look at the field that is marked."); return; }
      const said = page.querySelector("main .alert") ?? page.querySelector("main .error, main .empty p");
      failed(said?.textContent || "The server did not take the file.");
    };
    request.open("POST", form.action);
    request.setRequestHeader("X-CSRF-Token", form.elements.csrf.value);
    bar.hidden = false;
    bar.value = 0;
    button.disabled = true;
    said.textContent = "0 % uploaded";
    request.send(new FormData(form));
  }

  document.addEventListener("htmx:load", prepare);
  prepare();
})();
