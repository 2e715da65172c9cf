"use strict";
// Everything here adds to a page that is complete without it. Text reaches the page through
// textContent only.

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const table = byId("table");
const body = table.tBodies[0];
const rows = [...body.rows];
const heads = [...table.tHead.rows[0].cells];
["cell", "status"].forEach((name, index) => { heads[index].dataset.column = name; });
const address = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
const state = address();

function remember(name, value) {
  if ((state.get(name) || "") === value) return; // a link to a cell stays what it is
  if (value) state.set(name, value); else state.delete(name);
  const text = state.toString();
  history.replaceState(null, "", text ? "#" + text : location.pathname + location.search);
}

// Sorting. A figure that was not measured comes last, whichever way.

function value(row, index) {
  const cell = row.cells[index];
  if (index < 2) return cell.textContent.trim().toLowerCase();
  return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
}

function compare(a, b, index, sign) {
  const x = value(a, index), y = value(b, index);
  if (x === null || y === null) return (x === null) - (y === null);
  return sign * (x < y ? -1 : x > y ? 1 : 0);
}

function sort(index, direction) {
  const sign = direction === "descending" ? -1 : 1;
  const order = direction ? [...rows].sort((a, b) => compare(a, b, index, sign)) : rows;
  body.append(...order);
  heads.forEach((head, i) => head.setAttribute("aria-sort", i === index && direction ? direction : "none"));
}

function nextDirection(head) {
  const first = head.dataset.better === "higher" ? "descending" : "ascending";
  const second = first === "ascending" ? "descending" : "ascending";
  const now = head.getAttribute("aria-sort");
  return now === first ? second : now === second ? "" : first;
}

heads.forEach((head, index) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent.trim();
  button.addEventListener("click", () => {
    const direction = nextDirection(head);
    sort(index, direction);
    remember("sort", direction && `${head.dataset.column}.${direction}`);
  });
  head.replaceChildren(button);
  head.setAttribute("aria-sort", "none");
});

function restoreSort() {
  const [column, direction] = (state.get("sort") || "").split(".");
  const index = heads.findIndex((head) => head.dataset.column === column);
  if (index >= 0 && /^(a|de)scending$/.test(direction)) sort(index, direction);
}

// Filter and columns.

const filter = byId("filter");

function applyFilter() {
  const wanted = filter.value.trim().toLowerCase();
  let shown = 0;
  for (const row of rows) {
    const text = (row.cells[0].textContent + " " + row.cells[1].textContent).toLowerCase();
    row.hidden = !text.includes(wanted);
    shown += !row.hidden;
  }
  byId("count").textContent = wanted ? `${shown} of ${rows.length} cells` : "";
  remember("filter", filter.value.trim());
}

const boxes = [...document.querySelectorAll("[id^=column-]")];

function applyColumns() {
  const chosen = boxes.filter((box) => box.checked).map((box) => box.dataset.column);
  const usual = boxes.every((box) => box.checked === box.defaultChecked);
  remember("columns", usual ? "" : chosen.join(",") || "none");
}

function restoreColumns() {
  if (!state.has("columns")) return;
  const chosen = state.get("columns").split(",");
  for (const box of boxes) box.checked = chosen.includes(box.dataset.column);
}

// Which one to pick. The rule is that of llmbench/judge/pick.py, and tests/picks.json holds cases
// on which both must agree. Places are those in the list of cells.

const SAME = 0.05, LESS = 0.1;

function effort(cell, by) {
  if (by === "speed" && cell.speed) return [1 / cell.speed[0], cell.speed[1]];
  return by === "time" ? cell.time : null;
}

const minimal = (places, before) => places.reduce((a, b) => (before(b, a) ? b : a));
const swiftness = (cell) => (cell.speed ? cell.speed[0] : 0);
const smaller = (one, other) => one.memory < other.memory || (one.memory === other.memory && swiftness(one) > swiftness(other));
const smallest = (cells, places) => minimal(places, (a, b) => smaller(cells[a], cells[b]));
const first = (cells, places, by) => minimal(places, (a, b) => effort(cells[a], by)[0] < effort(cells[b], by)[0]);

function noSlower(one, other, by) {
  const [own, spread] = effort(one, by), [least, rest] = effort(other, by);
  if (spread === null || rest === null) return true;
  return own - least < Math.max(SAME, Math.sqrt((spread ** 2 + rest ** 2) / 2)) * least;
}

function equals(cells, level, by) {
  const known = level.filter((i) => effort(cells[i], by));
  if (!known.length) return [];
  const top = first(cells, known, by);
  return known.filter((i) => i === top || noSlower(cells[i], cells[top], by));
}

const merit = (cell) => cell.quality ?? -Infinity;

// A wish that is not there allows all; a figure that was not measured meets no wish.
const within = (value, most) => (most ?? null) === null || (value !== null && value <= most);
const atLeast = (value, least) => (least ?? null) === null || (value ?? -Infinity) >= least;

function allowed(cell, wish) {
  return within(cell.memory, wish.memory) && atLeast(cell.quality, wish.quality) && within(cell.seconds, wish.time) &&
    within(cell.disk, wish.disk) && atLeast(cell.speed && cell.speed[0], wish.speed);
}

function choose(cells, wish) {
  const all = cells.map((_, place) => place);
  const fit = all.filter((i) => allowed(cells[i], wish));
  const none = { pick: null, best: null, level: [], equal: [], by: "", tight: null, longer: null };
  if (!fit.length) return { ...none, tight: all.length ? smallest(cells, all) : null };
  if (wish.matters === "memory") return { ...none, pick: smallest(cells, fit) };
  if (wish.matters === "speed") {
    const equal = equals(cells, fit, "speed");
    if (!equal.length) return { ...none, pick: smallest(cells, fit) };
    return { ...none, pick: first(cells, equal, "speed"), equal, by: "speed" };
  }
  const best = minimal(fit, (a, b) => merit(cells[a]) > merit(cells[b]));
  const level = fit.filter((i) => i === best || (cells[best].tied ?? []).includes(i));
  const by = level.every((i) => cells[i].time) ? "time" : level.some((i) => cells[i].speed) ? "speed" : "";
  const equal = equals(cells, level, by);
  const pick = smallest(cells, equal.length ? equal : level);
  const tight = smallest(cells, level);
  const found = { ...none, pick, best, level, equal, by };
  if (tight === pick || cells[tight].memory > (1 - LESS) * cells[pick].memory) return found;
  const own = effort(cells[tight], by), least = effort(cells[pick], by);
  return { ...found, tight, longer: own && least && least[0] ? own[0] / least[0] : null };
}

// The reader's own constraints.

const { cells, score, sign, memoryWord, unitBytes, unit, budget } = data.choice;
const inputs = ["most-memory", "most-time", "most-disk", "least-speed", "least-quality", "matters"].map(byId);
const extreme = sign < 0 ? "lowest" : "highest";
const changed = (input) => input && input.value !== input.dataset.usual;
const figures = (cell) => [score && `${score} ${cell.qualityText}`, cell.memoryText, cell.speedText].filter(Boolean).join(", ");

function wished() {
  const [memory, time, disk, speed, quality] = inputs.map((input) => (input && input.value !== "" ? Number(input.value) : null));
  // What was configured is kept to the byte, however it reads here.
  const bytes = changed(inputs[0]) ? memory && memory * unitBytes : budget;
  return { matters: inputs[5].value, memory: bytes, quality: quality === null ? null : sign * quality, speed, time, disk: disk && disk * 2 ** 20 };
}

function ground({ pick, equal, by }) {
  const small = `the least ${memoryWord}`;
  if (!by) return small;
  const fast = by === "time" ? "fastest to quality" : "fastest";
  if (equal.length > 1) return `one of the ${equal.length} that are ${fast}, with ${small} of them`;
  return `the ${fast}` + (by === "time" ? ` (${cells[pick].timeText})` : "");
}

function tightly({ pick, tight, longer }) {
  if (tight === null) return [];
  const time = longer ? `, and takes ${longer.toFixed(1)} times as long` : "";
  return [" Tight on memory: ", cells[tight], ` needs ${cells[tight].memoryText} instead of ${cells[pick].memoryText}${time}.`];
}

// Why, as parts: text, and cells by their names.
function reasons(found, matters) {
  if (matters === "memory") return [`the least ${memoryWord}`];
  if (matters === "speed") {
    const small = found.equal.length ? smallest(cells, found.equal) : found.pick;
    if (small === found.pick) return ["the fastest"];
    // A spread can hide that a cell is slow: who asks for speed gets what was measured.
    return [`the fastest; about as fast, with less ${memoryWord}: `, cells[small], ` (${figures(cells[small])})`];
  }
  const { pick, best, level } = found, top = cells[best], highest = `the ${extreme} ${score}`;
  if (!top.tied) return [`${highest}; which are as good is not worked out`];
  if (level.length === 1) return [highest];
  const why = `, and ${ground(found)} of the ${level.length} that are as good or undecided`;
  if (pick === best) return [highest + why];
  const lead = top.asGood.includes(pick) ? `as good as ${highest}, ` : `undecided against ${highest}, `;
  return [lead, top, ` (${top.qualityText})` + why];
}

function say(parts) {
  const made = parts.map((part) => {
    if (typeof part === "string") return part;
    const code = document.createElement("code");
    code.textContent = part.name;
    return code;
  });
  byId("chosen").replaceChildren(...made);
}

const usual = cells.find((cell) => rows.some((row) => row.classList.contains("pick") && row.dataset.cell === String(cell.cell))) || null;

function applyChoice() {
  const wish = wished(), found = choose(cells, wish);
  let chosen = null;
  const out = cells.filter((cell) => !allowed(cell, wish));
  const fit = cells.length - out.length;
  if (fit) {
    const pick = cells[found.pick];
    chosen = inputs.some(changed) ? pick : usual;
    const rest = out.length ? ` ${out.length} of ${cells.length} do not fit.` : "";
    const among = out.length && fit > 1 ? " among those that fit" : "";
    say([pick, `: ${figures(pick)}; `, ...(fit > 1 ? reasons(found, wish.matters) : ["the only one that fits"]), `${among}.`, ...tightly(found), rest]);
  } else {
    const least = cells[found.tight];
    const best = score ? cells.reduce((a, b) => (b.quality > a.quality ? b : a)) : null;
    say(["No cell fits. The least memory is ", least, ` with ${least.memoryText}`,
      ...(best ? [`; the ${extreme} ${score}, `, best, ` with ${best.qualityText}`] : []), "."]);
  }
  for (const row of rows) row.classList.toggle("pick", chosen !== null && row.dataset.cell === String(chosen.cell));
  const gone = new Set(out.map((cell) => String(cell.cell)));
  for (const mark of document.querySelectorAll("tr[data-cell], .chart [data-cell]"))
    mark.classList.toggle("out", gone.has(mark.dataset.cell));
  // A limit that was taken away is to be remembered too: a field of numbers takes "any" for none.
  inputs.forEach((input) => input && remember(input.id, changed(input) ? input.value || "any" : ""));
}

function restoreChoice() {
  for (const input of inputs.filter(Boolean)) {
    input.dataset.usual = input.value;
    if (state.has(input.id)) input.value = state.get(input.id);
    if (input.selectedIndex < 0) input.value = input.dataset.usual;
    for (const event of ["input", "change"]) input.addEventListener(event, applyChoice);
  }
  byId("memory-unit").textContent = unit;
  byId("choose").addEventListener("submit", (event) => event.preventDefault());
  byId("choose").hidden = false;
  applyChoice();
}

// Downloads, made from the data that the page carries.

// Spreadsheets look past what is not to be seen, and some take signs of full width for the plain
// ones that they are when decomposed.
const formula = (text) => /^[\t\r\n]/.test(text) || /^[\s\p{C}]*[=+\-@]/u.test(text.normalize("NFKD"));

function quoted(field) {
  if (field === null) return "";
  let text = String(field);
  if (typeof field === "string" && formula(text)) text = "'" + text;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const formats = {
  csv: () => [data.columns, ...data.rows].map((row) => row.map(quoted).join(",") + "\n").join(""),
  json: () => JSON.stringify(data.rows.map((row) => Object.fromEntries(data.columns.map((c, i) => [c, row[i]]))), null, 1) + "\n",
};

function download(format) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([formats[format]()], { type: format === "csv" ? "text/csv" : "application/json" }));
  link.download = `results.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

for (const button of document.querySelectorAll("[data-format]"))
  button.addEventListener("click", () => download(button.dataset.format));

// Charts tell their figures on hover and on focus.

const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true"); // each mark has the same text as its label
document.body.append(tip);

function tell(mark) {
  const box = mark.getBoundingClientRect();
  tip.textContent = mark.getAttribute("aria-label");
  tip.hidden = false;
  const left = Math.min(box.left + scrollX + 12, scrollX + document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = Math.max(8, left) + "px";
  tip.style.top = box.bottom + scrollY + 8 + "px";
}

for (const svg of document.querySelectorAll(".chart svg")) {
  const marks = [...svg.querySelectorAll("[data-cell]")];
  for (const mark of marks) {
    mark.querySelector("title")?.remove(); // the browser would show it beside the tip
    mark.setAttribute("tabindex", mark === marks[0] ? "0" : "-1");
    for (const event of ["mouseenter", "focus"]) mark.addEventListener(event, () => tell(mark));
    for (const event of ["mouseleave", "blur"]) mark.addEventListener(event, () => { tip.hidden = true; });
  }
}
// One stop of the tab key per chart; the arrows go from mark to mark.

addEventListener("keydown", (event) => {
  if (event.key === "Escape") tip.hidden = true;
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const svg = step && document.activeElement.closest(".chart svg");
  if (!svg) return;
  const marks = [...svg.querySelectorAll("[data-cell]")];
  const next = marks[marks.indexOf(document.activeElement) + step];
  if (!next) return;
  document.activeElement.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
  event.preventDefault();
});

// A region is a stop of the tab key only while there is something to scroll.

const watch = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const region = target.closest(".scroll");
    if (region.scrollWidth > region.clientWidth) region.setAttribute("tabindex", "0");
    else region.removeAttribute("tabindex");
  }
});
for (const region of document.querySelectorAll(".scroll"))
  for (const one of [region, region.firstElementChild]) watch.observe(one);

// A row under the mouse shows its cell in the charts.

for (const row of rows) {
  const light = (on) => {
    for (const mark of document.querySelectorAll(`.chart [data-cell="${row.dataset.cell}"]`)) mark.classList.toggle("hot", on);
  };
  row.addEventListener("mouseenter", () => light(true));
  row.addEventListener("mouseleave", () => light(false));
}

// A link to a cell opens its details; print opens everything.

function openTarget() {
  const target = /^#cell-\d+$/.test(location.hash) && document.querySelector(location.hash);
  if (target) { target.open = true; target.scrollIntoView(); }
}

// A link pasted over this page's address is followed as if it had been opened.

addEventListener("hashchange", () => {
  if (location.hash.includes("=") && address().toString() !== state.toString()) location.reload();
  else openTarget();
});
addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });

byId("filter-label").hidden = byId("downloads").hidden = false;
filter.value = state.get("filter") || "";
filter.addEventListener("input", applyFilter);
for (const box of boxes) box.addEventListener("change", applyColumns);
restoreSort();
restoreColumns();
if (filter.value) applyFilter();
if (byId("choose")) restoreChoice();
openTarget();
