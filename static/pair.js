// The pairing pages: one-tap copy, and a look at what has come in. Everything works without it, too.
(() => {
  "use strict";

  // On plain http there is no navigator.clipboard: then the field itself is selected and copied.
  async function copy(field) {
    if (window.isSecureContext && navigator.clipboard) {
      try {
        await navigator.clipboard.writeText(field.value);
        return true;
      } catch { /* not allowed: the old way */ }
    }
    field.focus({ preventScroll: true });
    field.select();
    field.setSelectionRange(0, field.value.length);
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    }
  }

  const said = document.getElementById("said");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const copied = await copy(document.getElementById(button.dataset.copy));
    const words = button.textContent;
    button.textContent = copied ? "Copied" : "Selected";
    button.classList.toggle("done", copied);
    button.disabled = true;
    if (said) said.textContent = copied ? `${button.dataset.name} copied` : `${button.dataset.name} selected: copy it now`;
    setTimeout(() => {
      button.textContent = words;
      button.classList.remove("done");
      button.disabled = false;
      button.focus({ preventScroll: true });
    }, 1500);
  });

  const watch = document.querySelector("[data-status]");
  if (!watch) return;

  // `so` is code; everything is set as text, never as markup.
  function prose(element, text) {
    element.replaceChildren(...text.split("`").map((part, n) => {
      if (n % 2 === 0) return part;
      const code = document.createElement("code");
      code.textContent = part;
      return code;
    }));
    return element;
  }

  function put(tag, text, className) {
    const element = prose(document.createElement(tag), text);
    if (className) element.className = className;
    return element;
  }

  let last = watch.dataset.seen || "";
  function show(status) {
    const seen = JSON.stringify([status.title, status.findings, status.hints]);
    if (seen === last) return;
    last = seen;
    for (const place of document.querySelectorAll("[data-title]")) place.textContent = status.title;
    for (const place of document.querySelectorAll("[data-headline]")) place.textContent = status.headline;
    for (const dot of document.querySelectorAll(".dot")) dot.className = status.findings.length ? "dot off" : "dot on";
    const findings = document.getElementById("findings");
    if (findings) {
      findings.replaceChildren(...status.findings.map((one) => {
        const card = document.createElement("div");
        card.className = "card warn";
        card.append(put("h2", one.title), put("p", one.fix));
        return card;
      }));
    }
    const hints = document.getElementById("hints");
    if (hints) {
      hints.hidden = status.hints.length === 0;
      document.getElementById("hint-list").replaceChildren(...status.hints.map((one) => {
        const item = document.createElement("li");
        item.append(put("h3", one.title), put("p", one.fix));
        return item;
      }));
    }
  }

  async function look() {
    try {
      const answer = await fetch(watch.dataset.status, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const status = await answer.json();
      if (status.state !== "waiting") {
        location.replace(watch.dataset.then);
        return;
      }
      show(status);
    } catch (error) {
      // 4xx: not ours any more, so the page says why. Else mmconnect is away for a moment.
      if (/^4/.test(error.message)) {
        location.replace(watch.dataset.then);
        return;
      }
    }
    setTimeout(look, document.hidden ? 5000 : 1500);
  }
  setTimeout(look, 1000);
})();
