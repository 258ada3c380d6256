// Filters, order and language of the list. What it knows it reads from the table; its state lives in the address.
(() => {
  "use strict";
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const form = document.querySelector("form");
  const languages = [...document.querySelectorAll(".languages button")];
  const tags = Object.fromEntries(languages.map((button) => [button.value, button.lang]));
  const original = languages.find((button) => button.lang === root.lang).value;
  let lang = original;

  // What an element says in a language: both stand in it as spans where they differ.
  const said = (element, code) => {
    const copy = element.cloneNode(true);
    copy.querySelectorAll("small, mark, div, svg").forEach((part) => part.remove());
    copy.querySelectorAll("i").forEach((part) => part.lang !== code && part.remove());
    return copy.textContent.trim();
  };
  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const numbers = (text) => (text.match(/[−+]?\d[\d,]*(\.\d+)?/g) || []).map((n) => +n.replace("−", "-").replace(/,/g, ""));

  const read = (tr, place) => {
    const [name, programme, ...rest] = tr.cells;
    const links = [...tr.querySelectorAll("a")].map((a) => decodeURIComponent(a.getAttribute("href").split("/")[0]));
    const row = { tr, place, name, programme, county: name.querySelector("small")?.textContent ?? "" };
    row.key = said(programme, "zh");
    const named = [...name.childNodes].filter((node) => node.nodeName !== "MARK").map((node) => node.textContent);
    row.text = fold([...named, programme.textContent, links[0] ?? ""].join(" "));
    if (tr.closest("#broken")) return { ...row, status: ["failed"], judgement: "", grade: "" };
    const [window, judgement, effect, interval, percent] = rest;
    const known = { window: window.textContent, effect: numbers(effect.textContent)[0], percent: numbers(percent.textContent)[0] };
    const ends = interval.querySelector("path") ? numbers(said(interval, "zh")).slice(0, 2) : null;
    const status = ["done", name.querySelector("mark") ? "simulated" : "real"];
    return { ...row, ...known, ends, status, judgement: judgement.className, words: judgement, grade: judgement.querySelector("small")?.textContent ?? "" };
  };
  const rows = [...document.querySelectorAll("#list tbody tr")].map(read);
  const broken = [...document.querySelectorAll("#broken tbody tr")].map(read);
  const heads = [...document.querySelectorAll("th[data-sort]")];
  const verdicts = [...document.querySelectorAll(".counts li")].map((li) => li.className);
  const compare = {
    county: (a, b) => (a.county < b.county ? -1 : a.county > b.county ? 1 : 0),
    programme: (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0),
    window: (a, b) => (a.window < b.window ? -1 : a.window > b.window ? 1 : 0),
    judgement: (a, b) => verdicts.indexOf(a.judgement) - verdicts.indexOf(b.judgement),
    effect: (a, b) => a.effect - b.effect,
    percent: (a, b) => a.percent - b.percent,
  };

  // The choices of every list, in the language shown.
  const options = () => {
    const [all, done, failed, simulated, real, order, whole] = [...$("words").content.children].map((b) => said(b, lang));
    const every = [...rows, ...broken];
    const unique = (list) => [...new Map(list).entries()];
    const lists = {
      county: unique(every.map((r) => [r.county || "-", r.county ? `${r.county} ${said(r.name, lang)}`.trim() : whole])).sort(([a], [b]) => (a < b ? -1 : 1)),
      programme: unique(every.map((r) => [r.key, said(r.programme, lang)])),
      judgement: unique(rows.map((r) => [r.judgement, said(r.words, lang)])).sort(([a], [b]) => verdicts.indexOf(a) - verdicts.indexOf(b)),
      grade: unique(rows.filter((r) => r.grade).map((r) => [r.grade, r.grade])).sort(),
      status: [["done", done], ["failed", failed], ["simulated", simulated], ["real", real]],
      sort: heads.flatMap((th) => [[th.dataset.sort, said(th, lang) + " ↑"], ["-" + th.dataset.sort, said(th, lang) + " ↓"]]),
    };
    for (const [name, list] of Object.entries(lists)) {
      const select = form.elements[name];
      if (!select) continue;
      const chosen = select.value;
      select.replaceChildren(new Option(name === "sort" ? order : all, ""), ...list.map(([value, text]) => new Option(text, value)));
      select.value = list.some(([value]) => value === chosen) ? chosen : "";
    }
  };

  const fill = (template, facts) => template.replace(/\{(\w+)\}/g, (_, name) => facts[name]);
  const value = (name) => form.elements[name]?.value ?? "";
  const fits = (row) =>
    row.text.includes(fold(value("q").trim())) &&
    (!value("county") || value("county") === (row.county || "-")) &&
    (!value("programme") || value("programme") === row.key) &&
    (!value("judgement") || value("judgement") === row.judgement) &&
    (!value("grade") || value("grade") === row.grade) &&
    (!value("status") || row.status.includes(value("status")));

  let order = "";
  let sequence = rows;
  const arrange = () => {
    if (order === value("sort") || !rows.length) return;
    order = value("sort");
    const key = order.replace("-", "");
    const turned = order.startsWith("-") ? -1 : 1;
    sequence = [...rows].sort((a, b) => (key ? turned * compare[key](a, b) : 0) || a.place - b.place);
    $("list").tBodies[0].replaceChildren(...sequence.map((row) => row.tr));
    for (const th of heads) {
      if (th.dataset.sort === key) th.setAttribute("aria-sort", turned > 0 ? "ascending" : "descending");
      else th.removeAttribute("aria-sort");
    }
  };

  // Sorting by size is for finding, not for ranking: say how many neighbours cannot be told apart.
  const caution = () => {
    const key = order.replace("-", "");
    const sized = key === "effect" || key === "percent";
    $("ranking").hidden = !sized;
    if (!sized) return;
    const drawn = sequence.filter((row) => row.ends && !row.tr.hidden);
    const pairs = drawn.slice(1).map((row, at) => [drawn[at].ends, row.ends]);
    const overlapping = pairs.filter(([a, b]) => a[0] <= b[1] && b[0] <= a[1]).length;
    $("ranking").textContent = fill($("ranking").dataset[lang], { pairs: pairs.length, overlapping });
  };

  const show = () => {
    arrange();
    for (const row of [...rows, ...broken]) row.tr.hidden = !fits(row);
    const [shown, failed] = [rows, broken].map((list) => list.filter((row) => !row.tr.hidden).length);
    const told = $("shown").dataset;
    const failures = broken.length ? fill(told[lang === "zh" ? "failedZh" : "failedEn"], { shown: failed, all: broken.length }) : "";
    const text = fill(told[lang], { shown, all: rows.length }) + failures;
    if ($("shown").textContent !== text) $("shown").textContent = text;
    $("nothing").hidden = shown + failed > 0;
    if ($("list")) $("list").parentElement.hidden = !shown;
    if ($("broken")) $("broken").parentElement.hidden = !failed;
    caution();
  };

  const speak = (code) => {
    lang = code;
    root.lang = tags[lang];
    document.title = said(document.querySelector("h1"), lang);
    for (const button of languages) button.setAttribute("aria-pressed", button.value === lang);
    if (form) options();
  };

  const names = ["q", "county", "programme", "judgement", "grade", "status", "sort"];
  let waiting = 0;
  const keep = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const state = new URLSearchParams();
      if (lang !== original) state.set("lang", lang);
      if (form) for (const name of names) if (value(name)) state.set(name, value(name));
      history.replaceState(null, "", String(state) ? "#" + state : location.pathname + location.search);
    }, 150);
  };
  const restore = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    speak(tags[state.get("lang")] ? state.get("lang") : original);
    if (!form) return;
    for (const name of names) {
      const field = form.elements[name];
      if (!field) continue;
      const wanted = state.get(name) ?? "";
      field.value = field.options && ![...field.options].some((option) => option.value === wanted) ? "" : wanted;
    }
    show();
  };

  root.classList.add("live");
  for (const part of document.querySelectorAll("form, div.languages")) part.hidden = false;
  for (const button of languages) button.addEventListener("click", () => { speak(button.value); if (form) show(); keep(); });
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const target = $(link.hash.slice(1));
      target.scrollIntoView();
      target.focus({ preventScroll: true });
    });
  }
  if (form) {
    for (const th of heads) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...th.childNodes);
      th.append(button);
      button.addEventListener("click", () => {
        const key = th.dataset.sort;
        form.elements.sort.value = { "": key, [key]: "-" + key, ["-" + key]: "" }[order] ?? key;
        show();
        keep();
      });
    }
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => { show(); keep(); });
    form.addEventListener("reset", () => setTimeout(() => { show(); keep(); }));
  }
  addEventListener("hashchange", restore);
  restore();
})();
