/* Fires the requests of the race: all at once at one engine, then all at once at the other. The
   server counts what its tables hold; this only sends, and shows the page that it answers. */
"use strict";
(() => {
  const form = document.getElementById("race");
  const button = form.querySelector("button");
  const progress = form.querySelector("progress");
  const broken = document.querySelector(".race-broken");
  const lanes = [...form.querySelectorAll("input[disabled]")].map((input) => input.value);
  const requests = Number(form.dataset.requests);

  async function post(address, number) {
    const body = new URLSearchParams(new FormData(form));
    body.set("number", number);
    const answer = await fetch(address, { method: "POST", body });
    if (!answer.ok) throw new Error(`${answer.status} ${address}`);
    progress.value += 1;
  }

  async function show() {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["#race-result", ".hood"]) {
      const fresh = page.querySelector(part);
      document.querySelector(part).replaceChildren(...fresh.childNodes);
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!progress.hidden) return; // one race at a time
    broken.hidden = true;
    progress.hidden = false;
    progress.value = 0;
    progress.max = lanes.length * requests + 1;
    button.setAttribute("aria-disabled", "true");
    try {
      await post(form.action, "");
      for (const lane of lanes)
        await Promise.all(Array.from({ length: requests }, (_, number) => post(lane, number)));
      await show();
    } catch (error) {
      console.error(error);
      broken.hidden = false;
    }
    progress.hidden = true;
    button.removeAttribute("aria-disabled");
  });
})();
