/* Warns before the session ends, extends it on request, and leaves in every tab when one signs out.

   Only the server knows when the session ends: other tabs and devices use it too. So the script
   asks it (the question does not lengthen the session) and believes nothing else. */
"use strict";
(() => {
  const tabs = "BroadcastChannel" in window ? new BroadcastChannel("sessionstore") : null;
  const tell = (word) => {
    if (tabs) tabs.postMessage(word);
    // Browsers without channels: a change of this value is an event in the other tabs.
    else try { localStorage.setItem("sessionstore", `${word} ${Date.now()}`); } catch { /* off */ }
  };
  const listen = (heard) => {
    if (tabs) tabs.onmessage = (event) => heard(event.data);
    else window.addEventListener("storage", (event) => {
      if (event.key === "sessionstore" && event.newValue) heard(event.newValue.split(" ")[0]);
    });
  };

  const dialog = document.getElementById("ss-idle");
  if (!dialog) {
    tell("look"); // a page for everybody: perhaps because this browser has just signed out
    return;
  }
  const form = dialog.querySelector("form");
  const stay = dialog.querySelector("[data-ss-stay]");
  const left = dialog.querySelector("[data-ss-left]");
  const final = dialog.querySelector("[data-ss-final]");
  const early = Number(dialog.dataset.seconds);
  const LONGEST = 2 ** 31 - 1; // a timer with a longer wait fires at once
  let ends = Infinity; // in the time of performance.now(), which no clock change moves
  let timer = 0;
  let ticker = 0;

  const secondsLeft = () => Math.max(0, Math.round((ends - performance.now()) / 1000));

  function leave() {
    clearTimeout(timer);
    clearInterval(ticker);
    // The page may show what is private, so it goes; the logout page says why, and leads back here.
    const next = encodeURIComponent(location.pathname + location.search);
    location.replace(`${dialog.dataset.logout}${dialog.dataset.logout.includes("?") ? "&" : "?"}next=${next}`);
  }

  function plan(seconds) {
    ends = performance.now() + seconds * 1000;
    clearTimeout(timer);
    const wait = Math.min((seconds - early) * 1000, LONGEST);
    if (wait > 0) {
      hide();
      timer = setTimeout(look, wait);
    } else {
      show();
    }
  }

  async function ask(address, options) {
    let answer;
    try {
      answer = await fetch(address, {
        credentials: "same-origin", cache: "no-store", redirect: "error",
        headers: { Accept: "application/json" }, ...options,
      });
    } catch {
      retry(); // no network: nothing is known, so nothing changes
      return;
    }
    if (answer.status === 401) return leave();
    if (!answer.ok) return retry();
    plan((await answer.json()).seconds_left);
  }

  const look = () => ask(dialog.dataset.status);

  function retry() {
    clearTimeout(timer);
    timer = setTimeout(look, 5000);
  }

  function show() {
    tick();
    if (dialog.open) return;
    dialog.showModal();
    ticker = setInterval(tick, 1000);
  }

  function hide() {
    clearInterval(ticker);
    stay.hidden = false;
    final.hidden = true;
    if (dialog.open) dialog.close();
  }

  function tick() {
    const seconds = secondsLeft();
    left.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (seconds === 0) {
      clearInterval(ticker);
      // Once more: another tab may have been used meanwhile.
      timer = setTimeout(look, 500);
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await ask(dialog.dataset.extend, { method: "POST", body: new FormData(form) });
    if (dialog.open) {
      stay.hidden = true; // longer is not possible: the absolute end is near
      final.hidden = false;
    }
    tell("look");
  });

  dialog.querySelector("[data-ss-leave]").addEventListener("click", async () => {
    const answer = fetch(dialog.dataset.logout, { method: "POST", body: new FormData(form) });
    await answer.catch(() => null);
    tell("look");
    location.replace(dialog.dataset.logout);
  });

  // Escape would only hide the warning: it counts as "stay".
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    form.requestSubmit();
  });

  document.addEventListener("submit", (event) => {
    // This tab goes to the answer of the logout; the others look until it has arrived.
    if (event.target.matches("[data-ss-logout]")) tell("leaving");
  });

  listen((word) => {
    look();
    if (word === "leaving") [300, 1000, 3000].forEach((wait) => setTimeout(look, wait));
  });

  // A computer that slept, or a page from the back button: timers have stood still.
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) look(); });

  look();
})();
