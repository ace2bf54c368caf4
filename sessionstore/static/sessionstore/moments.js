/* Shows moments in the visitor's own zone, and as they are written where the visitor lives: the page
   is in English, the day comes first in Britain. Without it they stand in the server's zone, which
   is named. */
"use strict";
(() => {
  const page = document.documentElement.lang || navigator.language;
  const base = (language) => language.split("-")[0];
  const language = navigator.languages.find((own) => base(own) === base(page)) || page;
  const format = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" });
  for (const one of document.querySelectorAll("time[data-ss-moment]")) {
    const text = format.format(new Date(one.dateTime));
    one.title = text;
    if (one.dataset.ssMoment === "exact") one.textContent = text;
  }
})();
