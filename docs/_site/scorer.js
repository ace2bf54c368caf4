// Sphinx's own weights, and on top of them: a heading that has the words comes first, then the
// pages that one looks things up in; the history of the package comes last.
const LOOKED_UP = /^(reference\/|guides\/|settings$|checks$|signals$|troubleshooting$)/;
const HISTORY = /^(changelog|decisions|benchmarks|development|writing-tests)$/;

var Scorer = { // Sphinx declares the same name, in the same way
  score: ([docname, , anchor, , score, , kind]) =>
    score +
    (anchor && kind === "title" ? 30 : 0) +
    (LOOKED_UP.test(docname) ? 2 : 0) -
    (HISTORY.test(docname) ? 20 : 0),
  objNameMatch: 21,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
