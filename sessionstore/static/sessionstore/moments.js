/* Shows moments in the visitor's own zone. Without it they stand in the server's, which is named. */
"use strict";
(() => {
  const language = document.documentElement.lang || undefined;
  const format = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" });
  for (const one of document.querySelectorAll("time[data-ss-moment]")) {
    const text = format.format(new Date(one.dateTime));
    one.title = text;
    if (one.dataset.ssMoment === "exact") one.textContent = text;
  }
})();
