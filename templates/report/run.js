// One model on demand: its figures, spec, difference from its neighbour, curves and confusion.

const differing = (a, b) => data.settings.filter((_, i) => runs[a].settings[i] !== runs[b].settings[i]);

// The model that differs in the fewest settings; of several the one that stands nearest.
function neighbour(number, others = runs.keys()) {
  let best = null, least = Infinity;
  for (const i of others) {
    if (i === number) continue;
    const distance = differing(number, i).length + Math.abs(i - number) / (2 * runs.length)
      + (runs[i].published !== runs[number].published ? 0.6 : 0);
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

// Lines that must change to make one text of another, by the longest common subsequence.
function lineDiff(a, b) {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i][j] = a[i] === b[j] ? lengths[i + 1][j + 1] + 1
        : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const found = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) found.push([" ", a[i++], j++]);
    else if (i < a.length && (j === b.length || lengths[i + 1][j] >= lengths[i][j + 1])) found.push(["-", a[i++]]);
    else found.push(["+", b[j++]]);
  }
  return found;
}

const bodyOf = (text) => text.split("\n").filter((line) => !line.startsWith("#"));

function diffText(a, b) {
  const lines = lineDiff(bodyOf(a), bodyOf(b));
  const near = (i) => lines.slice(Math.max(0, i - 2), i + 3).some(([sign]) => sign !== " ");
  const made = element("pre", { tabindex: "0" });
  let skipped = false;
  lines.forEach(([sign, text], i) => {
    if (!near(i)) {
      if (!skipped) made.append("  ⋮\n");
      skipped = true;
      return;
    }
    skipped = false;
    const name = { "-": "del", "+": "ins" }[sign];
    made.append(name ? element(name, {}, `${sign} ${text}`) : `  ${text}\n`);
  });
  return made;
}

function described(list) {
  const made = element("dl", { class: "facts" });
  for (const [term, ...texts] of list) {
    made.append(element("div", {}, element("dt", {}, term), element("dd", {}, ...texts)));
  }
  return made;
}

function foldable(title, ...children) {
  return element("details", {}, element("summary", {}, title), ...children);
}

const figuresOf = (number) => columns.slice(1)
  .map((column, i) => [column.title, lines[number].cells[i + 1].textContent])
  .filter(([, text]) => text !== DASH);

async function showRun(number) {
  const run = runs[number], place = find("#detail");
  const heading = element("h3", {}, run.name);
  place.hidden = false;
  find("#choose").hidden = true;
  place.replaceChildren(heading, described([...figuresOf(number), ["key", element("code", {}, run.key)]]));
  if (run.published) {
    place.append(element("p", { class: "remark" }, "A published figure: no run of yours stands behind it."));
    return;
  }
  const details = await block("details").catch(() => null);
  const mine = details?.runs[number];
  if (!mine) {
    place.append(element("p", { class: "remark" }, "Nothing more is known of this model: its run's folder is not there."));
    return;
  }
  if (place.firstChild !== heading) return; // another one was asked for meanwhile
  place.append(described(mine.facts));
  if (mine.spec !== null) place.append(foldable("Its spec", element("pre", { tabindex: "0" }, details.texts[mine.spec])));
  if (mine.recipe !== null) place.append(foldable("Its recipe", element("pre", { tabindex: "0" }, details.texts[mine.recipe])));
  const second = element("div");
  place.append(picker(number, details, second), second);
  beside(number, neighbour(number, known(details)), details, second);
  place.append(confusionOf(number));
}

const known = (details) => [...runs.keys()].filter((i) => details.runs[i]);

function picker(number, details, second) {
  const nearest = neighbour(number, known(details));
  const choice = element("select", { id: "neighbour", oninput: () =>
    beside(number, Number(choice.value), details, second) });
  for (const i of known(details)) {
    if (i !== number) choice.append(element("option", { value: i, selected: i === nearest }, runs[i].name));
  }
  return element("p", { class: "axes", hidden: choice.options.length === 0 },
    element("label", {}, "Beside ", choice));
}

function beside(number, other, details, place) {
  const mine = details.runs[number], theirs = other === null ? null : details.runs[other];
  place.replaceChildren();
  if (theirs) place.append(...difference(number, other, details));
  const curves = element("div", { class: "multiples" });
  place.append(curves);
  if (mine.epochs.length === 0) {
    curves.append(element("p", { class: "remark" }, "No learning curve: the run's log has no epoch."));
    return;
  }
  for (const [title, fields] of CURVES) {
    if (!fields.some(([i]) => mine.epochs.some((epoch) => epoch[i] !== null))) continue;
    curve(curves, title, fields, number, mine, theirs ? other : null, theirs);
  }
}

// What a run's model (0) or recipe (1) says, by what it is about, in the words of `stspec diff`.
function wordsOf(number, which, details) {
  const { texts, told, runs: lists } = details.words;
  const own = lists[number][which];
  return own === null ? null : new Map(told[own].map(([title, text]) => [texts[title], texts[text]]));
}

// Rows that differ: title, in the other, in this one; null where one of them is not known.
function inWords(number, other, which, details) {
  const a = wordsOf(other, which, details), b = wordsOf(number, which, details);
  if (a === null || b === null) return null;
  return [...new Set([...a.keys(), ...b.keys()])]
    .map((title) => [title, a.get(title) ?? "none", b.get(title) ?? "none"])
    .filter(([, mine, theirs]) => mine !== theirs);
}

const sizes = (number, other) => [["GMACs", "macs", 1e9, 3], ["parameters, millions", "params", 1e6, 2]]
  .filter(([, field]) => runs[number][field] !== null && runs[other][field] !== null
    && runs[number][field] !== runs[other][field])
  .map(([title, field, unit, digits]) => [title, ...[other, number].map((i) => (runs[i][field] / unit).toFixed(digits))]);

function worded(number, other, details) {
  const model = inWords(number, other, 0, details), recipe = inWords(number, other, 1, details);
  const rows = [...(model ?? []), ...(model ? sizes(number, other) : []), ...(recipe ?? [])];
  if (model === null && recipe === null) return [];
  if (rows.length === 0) return [element("p", {}, "The same model, trained in the same way.")];
  const made = table(`What differs from ${runs[other].name}`,
    [{ title: "What" }, { title: runs[other].name }, { title: runs[number].name }], rows);
  made.classList.add("words");
  return [made];
}

function difference(number, other, details) {
  const rows = differing(other, number).map((path) => {
    const i = data.settings.indexOf(path);
    return [path, runs[other].settings[i], runs[number].settings[i]];
  });
  const gained = data.accuracies.filter(({ id }) => runs[number][id] !== null && runs[other][id] !== null)
    .map(({ id, title }) => `${title} ${points(runs[number][id] - runs[other][id])}`);
  const made = [element("h4", {}, "Against ", link(other))];
  if (gained.length) made.push(element("p", {}, `${gained.join(", ")} percentage points.`));
  const words = worded(number, other, details);
  made.push(...words);
  const settings = rows.length === 0 ? element("p", {}, "No setting of the study differs.")
    : table(`Settings of the study that differ from ${runs[other].name}`,
      [{ title: "Setting" }, { title: runs[other].name }, { title: runs[number].name }], rows);
  made.push(words.length === 0 || rows.length === 0 ? settings : foldable("Settings of the study", settings));
  for (const [what, title] of [["spec", "spec"], ["recipe", "recipe"]]) {
    const a = details.runs[other][what], b = details.runs[number][what];
    if (a === null || b === null) continue;
    made.push(a === b ? element("p", {}, `The same ${title}.`)
      : foldable(`The ${title}s line by line`, diffText(details.texts[a], details.texts[b])));
  }
  return made;
}

// Fields of an epoch as the page has them.
const CURVES = [
  ["Loss", [[0, "training", "c1"], [1, "validation", "c0"]]],
  ["Accuracy on the validation videos, %", [[2, "top-1", "c0"], [3, "top-5", "c2"]]],
];

function curve(place, title, fields, number, mine, other, theirs) {
  const scale = title === "Loss" ? 1 : 100;
  const plot = element("div", { class: "plot", role: "img" });
  const used = fields.filter(([i]) => mine.epochs.some((epoch) => epoch[i] !== null));
  const last = mine.epochs[mine.epochs.length - 1];
  const said = used.map(([i, name]) => `${name} ${last[i] === null ? DASH : (scale * last[i]).toFixed(scale === 1 ? 3 : 1)}`);
  plot.setAttribute("aria-label", `${title} over ${mine.epochs.length} epochs, at the end: ${said.join(", ")}`);
  const key = element("p", { class: "key" }, ...used.map(([, name, colour]) =>
    element("span", {}, mark("circle", `var(--${colour})`, false), name)),
  ...(theirs ? [element("span", {}, `dotted: ${runs[other].name}`)] : []));
  const heads = [{ title: "Epoch" }, ...used.map(([, name]) => ({ title: name, numeric: true }))];
  const rows = mine.epochs.map((epoch, n) => [String(n + 1),
    ...used.map(([i]) => (epoch[i] === null ? DASH : (scale * epoch[i]).toFixed(scale === 1 ? 3 : 1)))]);
  const figure = element("figure", { class: "curve" }, element("figcaption", {}, title), key, plot,
    foldable("As a table", table(`${title} of ${runs[number].name}`, heads, rows)));
  place.append(figure);
  const trace = (run, [i, name, colour], paint, dotted) => ({
    x: run.epochs.map((_, n) => n + 1), y: run.epochs.map((epoch) => epoch[i] === null ? null : scale * epoch[i]),
    mode: run.epochs.length > 1 ? "lines" : "markers", name,
    line: { color: paint.colours[Number(colour[1])], width: dotted ? 1.2 : 1.8, dash: dotted ? "dot" : "solid" },
    marker: { color: paint.colours[Number(colour[1])] }, hoverinfo: "text",
    text: run.epochs.map((epoch, n) => `${dotted ? `${plain(runs[other].name)}<br>` : ""}epoch ${n + 1}, ${name} ${epoch[i] === null ? "" : (scale * epoch[i]).toFixed(3)}`),
  });
  draw(plot, (paint) => ({
    traces: [...(theirs ? used.map((field) => trace(theirs, field, paint, true)) : []),
      ...used.map((field) => trace(mine, field, paint, false))],
    layout: layout(paint, { xaxis: axis(paint, { title: "epoch", rangemode: "tozero" }), yaxis: axis(paint) }),
  }));
}

function startRuns() {
  const go = () => {
    const found = /^#run-(\d+)$/.exec(location.hash);
    if (!found || Number(found[1]) >= runs.length) return;
    showRun(Number(found[1]));
    find("#run").focus({ preventScroll: true });
    find("#run").scrollIntoView();
  };
  addEventListener("hashchange", go);
  go();
}
