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
  byId("count").textContent = wanted ? `${shown} of ${rows.length} methods` : "";
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

const { cells, score, sign, memoryWord, unitBytes, unit, budget, oneSeed } = data.choice;
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

function ground({ pick, equal, by, level }) {
  const small = `the least ${memoryWord}`, reach = by === "time" ? "reach the target quality" : "train";
  if (!by) return `it needs ${small}`;
  if (equal.length === level.length) return `which ${reach} about equally fast, it needs ${small}`;
  if (equal.length > 1) return `${equal.length} ${reach} about equally fast, and of these it needs ${small}`;
  return by === "time" ? `it reaches the target quality fastest (${cells[pick].timeText})` : "it trains fastest";
}

function tightly({ pick, tight, longer }) {
  if (tight === null) return [];
  const time = longer ? `, and takes ${longer.toFixed(1)} times as long` : "";
  return [" If memory is tight: ", cells[tight], ` needs ${cells[tight].memoryText} instead of ${cells[pick].memoryText}${time}.`];
}

// Why, as parts: text, and cells by their names.
function reasons(found, matters, among) {
  if (matters === "memory") return [` It needs the least ${memoryWord}${among}.`];
  if (matters === "speed") {
    const small = found.equal.length ? smallest(cells, found.equal) : found.pick;
    if (small === found.pick) return [` It is the fastest${among}.`];
    // A spread can hide that a cell is slow: who asks for speed gets what was measured.
    return [` It is the fastest${among}; about as fast, with less ${memoryWord}: `, cells[small], ` (${figures(cells[small])}).`];
  }
  const { pick, best, level } = found, top = cells[best], highest = `the ${extreme} ${score}`;
  if (!top.tied) return [` It has ${highest}${among}; which others are as good is not worked out.`];
  if (level.length === 1) return [` It has ${highest}${among}.`];
  const good = level.some((i) => top.asGood.includes(i)), open = level.some((i) => i !== best && !top.asGood.includes(i));
  const which = oneSeed ? "one training cannot tell apart" : [good && "are as good", open && "do not differ significantly"].filter(Boolean).join(" or ");
  const why = `. Of the ${level.length} that ${which}, ${ground(found)}.`;
  if (pick === best) return [` It has ${highest}${among}${why}`];
  const undecided = oneSeed ? "One training cannot tell it from" : "It does not differ significantly from";
  return [` ${top.asGood.includes(pick) ? "It is as good as" : undecided} ${highest}${among}, `, top, ` (${top.qualityText})${why}`];
}

function say(parts) {
  const made = parts.map((part) => {
    if (typeof part === "string") return part;
    const code = document.createElement("code");
    code.append(...part.name.split(/(?<=[+,(=_])/).flatMap((piece) => [piece, document.createElement("wbr")]));
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
    const all = inputs.some(changed) && cells.length > 1 ? ` All ${cells.length} fit.` : "";
    const rest = out.length ? ` ${out.length} of ${cells.length} do not fit.` : all;
    const among = out.length ? " of those that fit" : "";
    say([pick, ` (${figures(pick)}).`, ...(fit > 1 ? reasons(found, wish.matters, among) : [" It is the only one that fits."]), ...tightly(found), rest]);
  } else {
    const least = cells[found.tight];
    const best = score ? cells.reduce((a, b) => (b.quality > a.quality ? b : a)) : null;
    say([`No method fits. The least ${memoryWord} is ${least.memoryText}, with `, least,
      ...(best ? [`; the ${extreme} ${score} is ${best.qualityText}, with `, best] : []), "."]);
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

const tables = { results: data, summary: { columns: data.methods.names, rows: data.methods.rows } };
const formats = {
  csv: ({ columns, rows }) => [columns, ...rows].map((row) => row.map(quoted).join(",") + "\n").join(""),
  json: ({ columns, rows }) => JSON.stringify(rows.map((row) => Object.fromEntries(columns.map((c, i) => [c, row[i]]))), null, 1) + "\n",
};

function download({ format, of }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([formats[format](tables[of])], { type: format === "csv" ? "text/csv" : "application/json" }));
  link.download = `${of}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

for (const button of document.querySelectorAll("[data-format]"))
  button.addEventListener("click", () => download(button.dataset));

// The columns that are shown, for a spreadsheet: plain numbers, the ends of an interval beside them.

const { names: columns, rows: methods, figures: labels, short, competing } = data.methods;
const figure = (row, name) => row[columns.indexOf(name)] ?? null;

function asTsv() {
  const shown = boxes.filter((box) => box.checked).map((box) => box.dataset.column);
  const wide = (name) => methods.some((row) => figure(row, name + "_low") !== null);
  const fields = shown.flatMap((name) => (wide(name) ? [name, name + "_low", name + "_high"] : [name]));
  const heading = (name) => labels[name]?.[0] ?? name.replace(/^(.*)_(low|high)$/, (_, of, end) => `${labels[of][0]}, ${end}`);
  const order = [...body.rows].filter((row) => !row.hidden).map((row) => methods[row.dataset.cell - 1]);
  const lines = [["Method", "Status", ...fields.map(heading)],
    ...order.map((row) => ["method", "status", ...fields].map((name) => figure(row, name)))];
  const plain = (field) => (typeof field === "string" && formula(field) ? "'" + field : String(field ?? "")).replace(/[\t\r\n]+/g, " ");
  return lines.map((line) => line.map(plain).join("\t") + "\n").join("");
}

async function copy(text) {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = document.createElement("textarea"); // where there is no clipboard, or no leave to use it
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  byId("count").textContent = "Copied: paste it into a spreadsheet.";
}
byId("copy").addEventListener("click", () => copy(asTsv()));

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

function listen(svg) {
  const marks = [...svg.querySelectorAll("[data-cell]")];
  for (const mark of marks) {
    const title = mark.querySelector("title"); // the browser would show it beside the tip
    if (title) { mark.setAttribute("aria-label", title.textContent); title.remove(); }
    mark.setAttribute("tabindex", mark === marks[0] ? "0" : "-1");
    for (const event of ["mouseenter", "focus"]) mark.addEventListener(event, () => tell(mark));
    for (const event of ["mouseleave", "blur"]) mark.addEventListener(event, () => { tip.hidden = true; });
  }
}
for (const svg of document.querySelectorAll(".chart svg")) listen(svg);

// A chart on any two figures, drawn from the methods' rows.

const SVG = "http://www.w3.org/2000/svg", FRAME = { left: 46, right: 348, top: 26, bottom: 256 };
const axes = [...Object.keys(labels), "learning_rate"].filter((name) => methods.filter((row) => figure(row, name) !== null).length > 1);
const titled = (name) => (name === "learning_rate" ? "Learning rate" : labels[name][0]);
const better = (name) => (labels[name] ? labels[name][1] : "neither");

function add(parent, tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function scale(name, values, low, high) {
  const least = Math.min(...values), most = Math.max(...values);
  if (least > 0 && most / least > 50) { // figures of several magnitudes
    const from = Math.log10(least) - 0.1, to = Math.log10(most) + 0.1;
    const ticks = [];
    for (let power = Math.ceil(from); power <= to; power++) ticks.push(10 ** power);
    return { at: (v) => low + (Math.log10(v) - from) / (to - from) * (high - low), ticks };
  }
  const room = (most - least || Math.abs(most) || 1) * 0.12, from = least - room, to = most + room;
  const binary = /bytes/.test(name) ? (to >= 2 ** 30 ? 2 ** 30 : 2 ** 20) : 1; // round in what ticks say
  const rough = (to - from) / 4 / binary, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= rough) * binary;
  const ticks = [];
  for (let n = Math.ceil(from / step); n * step <= to; n++) ticks.push(n * step);
  return { at: (v) => low + (v - from) / (to - from) * (high - low), ticks };
}

function tickText(name, value) {
  if (/bytes/.test(name)) return value >= 2 ** 30 ? `${+(value / 2 ** 30).toPrecision(3)} GiB` : `${+(value / 2 ** 20).toPrecision(3)} MiB`;
  for (const [unit, factor] of [["B", 1e9], ["M", 1e6], ["K", 1e3]])
    if (Math.abs(value) >= factor) return +(value / factor).toPrecision(3) + unit;
  return value && Math.abs(value) < 0.001 ? value.toExponential(0) : String(+value.toPrecision(3));
}

// The points that no other beats on one figure without losing on the other.
function front(points, x, y) {
  const side = { higher: 1, lower: -1 }, [sx, sy] = [side[better(x)], side[better(y)]];
  if (!sx || !sy) return [];
  const beats = (a, b) => sx * a.x >= sx * b.x && sy * a.y >= sy * b.y && (a.x !== b.x || a.y !== b.y);
  return points.filter((p) => !points.some((other) => beats(other, p))).sort((a, b) => a.x - b.x);
}

// Where a label covers no mark and no other label, the nearest first; nothing where it finds no room.
function free(x, y, text, taken) {
  const width = 6.4 * text.length;
  for (const up of [0, -12, 12, -24, 24, -38, 38, -52, 52]) {
    for (const [anchor, left, from] of [["start", x + 8, x + 8], ["end", x - 8, x - 8 - width]]) {
      const top = y + 4 + up, box = [from, top - 10, from + width, top + 2];
      const inside = box[0] >= FRAME.left && box[2] <= FRAME.right + 8 && box[1] >= FRAME.top - 8 && box[3] <= FRAME.bottom;
      if (!inside || taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3])) continue;
      taken.push(box);
      return { anchor, left, top };
    }
  }
  return null;
}

function drawChosen() {
  const [x, y] = ["across", "up"].map((id) => byId(id).value);
  const points = competing.map((number) => ({ number, row: methods[number - 1] }))
    .map((p) => ({ ...p, x: figure(p.row, x), y: figure(p.row, y) })).filter((p) => p.x !== null && p.y !== null);
  const svg = byId("any");
  svg.replaceChildren();
  if (!points.length) return;
  const bounds = (name, of) => points.flatMap((p) => [of(p), figure(p.row, name + "_low"), figure(p.row, name + "_high")]).filter((v) => v !== null);
  const sx = scale(x, bounds(x, (p) => p.x), FRAME.left, FRAME.right), sy = scale(y, bounds(y, (p) => p.y), FRAME.bottom, FRAME.top);
  const line = (x1, y1, x2, y2, colour, width = 1) => add(svg, "path", { d: `M${x1},${y1}L${x2},${y2}`, class: `s-${colour}`, fill: "none", "stroke-width": width });
  const label = (left, top, text, colour, anchor) => add(svg, "text", { x: left, y: top, class: `f-${colour}`, "text-anchor": anchor }, text);
  for (const v of sx.ticks) { line(sx.at(v), FRAME.top, sx.at(v), FRAME.bottom, "grid"); label(sx.at(v), 271, tickText(x, v), "muted", "middle"); }
  for (const v of sy.ticks) { line(FRAME.left, sy.at(v), FRAME.right, sy.at(v), "grid"); label(FRAME.left - 6, sy.at(v) + 4, tickText(y, v).replace(" ", ""), "muted", "end"); }
  const way = { higher: " \u00b7 more is better", lower: " \u00b7 less is better", neither: "" };
  label((FRAME.left + FRAME.right) / 2, 290, titled(x) + way[better(x)], "muted", "middle");
  label(2, 12, titled(y) + way[better(y)], "muted", "start");
  const edge = front(points, x, y);
  for (const p of points) {
    for (const [name, from, to] of [[x, 0, 1], [y, 1, 0]]) {
      const ends = ["_low", "_high"].map((end) => figure(p.row, name + end));
      if (ends[0] !== null) name === x ? line(sx.at(ends[0]), sy.at(p.y), sx.at(ends[1]), sy.at(p.y), "soft", 1.5) : line(sx.at(p.x), sy.at(ends[0]), sx.at(p.x), sy.at(ends[1]), "soft", 1.5);
    }
  }
  const steps = edge.flatMap((p, i) => (i ? [[sx.at(p.x), sy.at(edge[i - 1].y)], [sx.at(p.x), sy.at(p.y)]] : [[sx.at(p.x), sy.at(p.y)]]));
  if (steps.length > 1) add(svg, "path", { d: "M" + steps.map((s) => s.join()).join("L"), class: "s-soft", fill: "none", "stroke-width": 1.5, "stroke-dasharray": "3 3" });
  const taken = points.map((p) => [sx.at(p.x) - 5, sy.at(p.y) - 5, sx.at(p.x) + 5, sy.at(p.y) + 5]);
  for (const p of points) {
    const name = figure(p.row, "method"), picked = figure(p.row, "picked"), filled = picked || edge.includes(p);
    const colour = picked ? "accent" : filled ? "ink" : "muted";
    const says = `${name}: ${titled(x)} ${tickText(x, p.x)}, ${titled(y)} ${tickText(y, p.y)}`;
    add(svg, "circle", { cx: sx.at(p.x), cy: sy.at(p.y), r: 4.7, class: `f-${filled ? colour : "page"} s-${colour}`, "stroke-width": 1.5, "data-cell": p.number, role: "graphics-symbol", "aria-label": says });
    if (points.length > 14 && !filled) continue;
    const place = free(sx.at(p.x), sy.at(p.y), short[p.number - 1], taken);
    if (!place) continue; // hovering tells
    if (Math.abs(place.top - sy.at(p.y)) > 14) line(sx.at(p.x), sy.at(p.y), place.left, place.top - 4, "soft", 0.7);
    label(place.left, place.top, short[p.number - 1], picked ? "accent" : "ink", place.anchor);
  }
  svg.setAttribute("aria-label", `${titled(y)} against ${titled(x)}`);
  listen(svg);
  for (const id of ["across", "up"]) remember(id, byId(id).value === byId(id).dataset.usual ? "" : byId(id).value);
}

function restoreAxes() {
  const first = ["time_to_quality_seconds", "train_seconds", "trainable_parameters"].find((name) => axes.includes(name));
  for (const [id, usual] of [["across", first ?? axes[0]], ["up", axes[0]]]) {
    const choice = byId(id);
    choice.replaceChildren(...axes.map((name) => new Option(titled(name), name)));
    choice.dataset.usual = usual;
    choice.value = axes.includes(state.get(id)) ? state.get(id) : usual;
    choice.addEventListener("change", drawChosen);
  }
  byId("chart-any").hidden = false;
  drawChosen();
}
if (byId("chart-any") && axes.length > 1) restoreAxes();

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

byId("filter-label").hidden = byId("downloads").hidden = false;
filter.value = state.get("filter") || "";
filter.addEventListener("input", applyFilter);
for (const box of boxes) box.addEventListener("change", applyColumns);
restoreSort();
restoreColumns();
if (filter.value) applyFilter();
if (byId("choose")) restoreChoice();
openTarget();
