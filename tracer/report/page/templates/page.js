"use strict";
// Sorting, searching, filtering, zooming, choosing, copying. Without it the page is complete, but stands still.
for (const section of document.querySelectorAll(".layers")) {
  const body = section.querySelector("tbody");
  const rows = [...body.rows];
  const form = section.querySelector("form");
  const search = form.querySelector("input[type=search]");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const heads = [...section.querySelectorAll("thead th")];
  const words = new Map(rows.map((row) => [row, (row.querySelector("summary").textContent + " " + row.cells[2].textContent).toLowerCase()]));

  const filter = () => {
    const text = search.value.trim().toLowerCase();
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const row of rows) {
      row.hidden = !wanted.has(row.dataset.v) || !words.get(row).includes(text);
      shown += !row.hidden;
    }
    form.querySelector("output").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  section.reveal = (row) => {
    if (row.hidden) { search.value = ""; for (const box of boxes) box.checked = true; filter(); }
  };

  const key = (row, column) => {
    const text = column === 1 ? row.querySelector("summary").textContent : row.cells[column].textContent.trim();
    if (column === 1 || column === 2 || column === 3) return text;
    return text === "-" ? -1 : text === "inf" ? Infinity : parseFloat(text);
  };
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    // Numbers begin with the largest: that is what one looks for.
    const first = column > 3 ? "descending" : "ascending";
    const now = head.getAttribute("aria-sort");
    const order = now === null ? first : now === "ascending" ? "descending" : "ascending";
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const keys = new Map(rows.map((row) => [row, key(row, column)]));
    rows.sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      return x < y ? -sign : x > y ? sign : 0;
    });
    body.append(...rows);
  }));

  // All of a row opens its layer, but for what is there to be read or followed, and where text is being selected.
  body.addEventListener("click", ({ target }) => {
    const row = target.closest("tr");
    if (target.closest("summary, dl, a, button") || String(getSelection())) return;
    const details = row.querySelector("details");
    details.open = !details.open;
    focusOn(row);
  });
  body.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches("summary")) return;
    const shown = rows.filter((row) => !row.hidden);
    const next = shown[shown.indexOf(event.target.closest("tr")) + step];
    if (next) { event.preventDefault(); next.querySelector("summary").focus(); }
  });
  body.addEventListener("toggle", ({ target }) => { if (target.open) mark(target.closest("tr")); }, true);
}

// Small pictures of a layer, drawn when it is opened: there may be hundreds, and few are looked at.
const picture = (list, title, label, text) => {
  const [term, told, drawn] = ["dt", "dd", "pre"].map((name) => document.createElement(name));
  term.textContent = title;
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", label);
  drawn.textContent = text;
  told.append(drawn);
  list.append(term, told);
};
const signs = (digits, of) => [...digits].map((digit) => of[digit] ?? "?").join("");
document.addEventListener("toggle", ({ target }) => {
  const { values, map } = target.dataset;
  const list = target.querySelector(":scope > dl");
  if (values) {
    const [here, there, low, high] = values.split("|");
    const near = (bars) => +low + ((bars.indexOf([...bars].sort().pop()) + 0.5) * (high - low)) / bars.length;
    const bars = [here, there].map((each) => signs(each, "\u00b7▁▂▃▄▅▆▇█"));
    picture(list, "values", `most reference values near ${near(here).toPrecision(3)}, most candidate values near ${near(there).toPrecision(3)}`,
      `reference ${bars[0]}\ncandidate ${bars[1]}\nfrom ${low} to ${high}`);
  }
  if (map) {
    const [rows, words] = map.split("|");
    const shades = rows.split("/").map((row) => signs([...row].flatMap((digit) => [digit, digit]), "\u00b7░▒▓█"));
    picture(list, "error by place", `mean absolute error ${words}`, `${shades.join("\n")}\n${words}`);
  }
  delete target.dataset.values;
  delete target.dataset.map;
}, true);

// What a row opens is below its name: on a small screen, that may have been scrolled out to the left.
function focusOn(row) {
  const summary = row.querySelector("summary");
  summary.focus({ preventScroll: true });
  summary.scrollIntoView({ block: "nearest", inline: "start" });
}

// The row and its mark in the chart.
function mark(row) {
  for (const each of document.querySelectorAll(".chosen")) each.classList.remove("chosen");
  row.classList.add("chosen");
  const chart = (row.closest("article") || document).querySelector(".chart");
  chart?.querySelector(`[data-row="${row.id.split("layer-").pop()}"]`)?.classList.add("chosen");
}

const choose = (row) => {
  if (!row) return;
  row.closest(".layers").reveal(row);
  mark(row);
  row.querySelector("details").open = true;
  row.scrollIntoView({ block: "center" });
  focusOn(row);
};

for (const chart of document.querySelectorAll(".chart")) {
  const told = chart.parentElement.querySelector(".told");
  const markAt = (event) => event.target.closest("[data-row]");
  chart.addEventListener("mouseover", (event) => {
    if (markAt(event)) told.textContent = markAt(event).querySelector("title").textContent;
  });
  chart.addEventListener("click", (event) => {
    if (markAt(event)) choose(document.getElementById(`${chart.dataset.prefix}layer-${markAt(event).dataset.row}`));
  });
  for (const button of chart.parentElement.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      chart.querySelector("svg").style.width = `${100 * button.dataset.zoom}%`;
      for (const each of chart.parentElement.querySelectorAll("[data-zoom]")) each.setAttribute("aria-pressed", each === button);
    });
  }
}

for (const graph of document.querySelectorAll(".blocks")) {
  // The layer at fault in the middle, of this list only: the page itself stays where it is.
  const fault = graph.querySelector(".faulty");
  if (fault) graph.scrollTop = fault.offsetTop - (graph.clientHeight - fault.offsetHeight) / 2;
  graph.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link) { event.preventDefault(); choose(document.getElementById(link.hash.slice(1))); }
  });
}

for (const link of document.querySelectorAll(".to-layer")) {
  link.addEventListener("click", (event) => {
    const section = (link.closest("article") || document).querySelector(".layers");
    const row = section && [...section.querySelectorAll("tbody tr")].find((each) => each.querySelector("summary").textContent === link.dataset.layer);
    if (row) { event.preventDefault(); choose(row); }
  });
}

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", () => {
    const source = button.parentElement.querySelector(".copied");
    const select = () => getSelection().selectAllChildren(source);
    // A page that was opened from disk isn't allowed to write to the clipboard everywhere; what is selected can be copied.
    if (!navigator.clipboard) { select(); return; }
    navigator.clipboard.writeText(source.textContent).then(() => { button.textContent = "Copied"; }, select);
  });
}
