// Accuracy against cost: a plot for each data set, with the Pareto front of the models shown.

const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "pentagon", "star", "hexagon", "cross"];
const policies = data.policies, backbones = data.backbones;
const colourOf = (paint, policy) => paint.colours[policies.indexOf(policy) % paint.colours.length];
const symbolOf = (backbone) => SYMBOLS[backbones.indexOf(backbone) % SYMBOLS.length];

// Those that no other model beats: none is as accurate for less, nor better for the same.
function front(numbers, cost, accuracy) {
  const order = [...numbers].sort((a, b) =>
    runs[a][cost] - runs[b][cost] || runs[b][accuracy] - runs[a][accuracy] || a - b);
  let best = -Infinity;
  return order.filter((i) => {
    const better = runs[i][accuracy] > best;
    best = Math.max(best, runs[i][accuracy]);
    return better;
  });
}

const size = (frames) => 6 + 2 * Math.max(0, Math.min(5, Math.log2(frames / 4)));

function about(i, cost, accuracy) {
  const run = runs[i];
  return [
    plain(run.name),
    `${plain(run.policy)}, ${plain(run.backbone)}, ${run.frames} frames`
      + (run.tp ? ", temporal pooling" : ""),
    `${percent(run[accuracy.id])} % ${accuracy.title}, ${cost.text(run[cost.id])}`,
    run.published ? "published" : "",
  ].filter(Boolean).join("<br>");
}

const COSTS = new Map([
  ["macs", { id: "macs", title: "GMACs", scale: 1e-9, text: (x) => `${(x / 1e9).toPrecision(4)} GMACs` }],
  ["params", { id: "params", title: "parameters, millions", scale: 1e-6, text: (x) => `${(x / 1e6).toFixed(2)} M parameters` }],
  ["latency", { id: "latency", title: "latency, ms", scale: 1, text: (x) => `${x.toPrecision(3)} ms` }],
]);

function scatter(numbers, best, cost, accuracy, paint) {
  const of = (list, map) => list.map(map);
  const x = (i) => runs[i][cost.id] * cost.scale, y = (i) => 100 * runs[i][accuracy.id];
  const line = {
    x: of(best, x), y: of(best, y), mode: "lines", line: { color: paint.soft, width: 1.2, shape: "hv" },
    hoverinfo: "skip",
  };
  const marks = {
    x: of(numbers, x), y: of(numbers, y), mode: "markers", hoverinfo: "text",
    text: of(numbers, (i) => about(i, cost, accuracy)), customdata: numbers,
    marker: {
      color: of(numbers, (i) => colourOf(paint, runs[i].policy)),
      symbol: of(numbers, (i) => symbolOf(runs[i].backbone) + (runs[i].tp ? "" : "-open")),
      size: of(numbers, (i) => size(runs[i].frames)),
      opacity: of(numbers, (i) => (runs[i].published && data.mixed ? 0.55 : 0.9)),
      line: { width: 1.4, color: of(numbers, (i) => colourOf(paint, runs[i].policy)) },
    },
  };
  return [line, marks];
}

function ticks(values) {
  // Round values of a logarithmic axis: as many as there is room for.
  const low = Math.min(...values), high = Math.max(...values);
  const spread = high / low;
  const steps = spread > 30 ? [1, 3] : spread > 3 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const step of steps) found.push(step * 10 ** power);
  }
  return found.map((value) => Number(value.toPrecision(2)));
}

function costPlot(figure, name) {
  const place = find(".plot", figure);
  return () => {
    const cost = COSTS.get(find("#cost-axis").value);
    const accuracy = data.accuracies.find((each) => each.id === find("#gain-axis").value);
    const known = shown.filter((i) => runs[i].data === name
      && runs[i][cost.id] !== null && runs[i][accuracy.id] !== null);
    const best = front(known, cost.id, accuracy.id);
    figure.hidden = known.length === 0;
    frontTable(figure, best, cost, accuracy, name);
    place.setAttribute("aria-label", spoken(known, best, cost, accuracy, name));
    if (known.length === 0) return;
    const marks = ticks(known.map((i) => runs[i][cost.id] * cost.scale));
    draw(place, (paint) => ({
      traces: scatter(known, best, cost, accuracy, paint),
      layout: layout(paint, {
        xaxis: axis(paint, { title: cost.title, type: "log", tickvals: marks, ticktext: marks.map(grouped), showgrid: true }),
        yaxis: axis(paint, { title: `${accuracy.title}, %` }),
      }),
    }));
  };
}

function spoken(known, best, cost, accuracy, name) {
  if (known.length === 0) return `No model of ${name} to plot`;
  const top = best[best.length - 1];
  return `${accuracy.title} against ${cost.title} of ${known.length} models on ${name}; `
    + `${best.length} are on the Pareto front, the most accurate is ${runs[top].name} with `
    + `${percent(runs[top][accuracy.id])} % at ${cost.text(runs[top][cost.id])}`;
}

function frontTable(figure, best, cost, accuracy, name) {
  const caption = `No other model on ${name} that is shown is as accurate for less.`;
  const heads = [{ title: "Model" }, { title: `${accuracy.title}, %`, numeric: true },
    { title: cost.title, numeric: true }];
  const rows = best.map((i) => [link(i), percent(runs[i][accuracy.id]),
    cost.text(runs[i][cost.id]).split(" ")[0]]);
  find(".table", figure).replaceChildren(table(caption, heads, rows));
}

function mark(symbol, colour, open) {
  const shapes = {
    circle: "M5 1a4 4 0 1 0 .01 0z", square: "M1.5 1.5h7v7h-7z", diamond: "M5 0l5 5-5 5-5-5z",
    "triangle-up": "M5 .5l4.7 8.3H.3z", pentagon: "M5 .5l4.6 3.4-1.8 5.3H2.2L.4 3.9z",
    star: "M5 0l1.2 3.6H10L7 5.9l1.1 3.7L5 7.4 1.9 9.6 3 5.9 0 3.6h3.8z",
    hexagon: "M2.5 .7h5L10 5 7.5 9.3h-5L0 5z", cross: "M3.5 0h3v3.5H10v3H6.5V10h-3V6.5H0v-3h3.5z",
  };
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), path = document.createElementNS(space, "path");
  for (const [key, value] of [["width", 10], ["height", 10], ["aria-hidden", "true"]]) svg.setAttribute(key, value);
  path.setAttribute("d", shapes[symbol]);
  path.style.fill = open ? "none" : colour;
  path.style.stroke = colour;
  path.style.strokeWidth = "1.3";
  svg.append(path);
  return svg;
}

function keyEntries(rows) {
  const entry = (...parts) => element("span", {}, ...parts);
  const soft = "var(--soft)";
  const of = (names, field) => names.filter((name) => rows.some((row) => row[field] === name));
  const several = (field) => new Set(rows.map((row) => row[field])).size > 1;
  const kinds = of(backbones, "backbone");
  return [
    ...of(policies, "policy").map((name) =>
      entry(mark("circle", `var(--c${policies.indexOf(name) % 8})`, false), name)),
    ...(kinds.length > 1 ? kinds.map((name) => entry(mark(symbolOf(name), soft, false), name)) : []),
    ...(several("tp") ? [entry(mark("circle", soft, false), "pooled"),
      entry(mark("circle", soft, true), "not pooled")] : []),
    ...(several("frames") ? [entry("larger: more frames")] : []),
    ...(several("published") ? [entry("paler: published")] : []),
  ];
}

function key() {
  const place = find("#key");
  place.hidden = false;
  place.append(...keyEntries(runs), element("span", {}, "line: Pareto front"));
}

function startCost() {
  const figures = all("figure.front");
  if (figures.length === 0 || data.accuracies.length === 0) return;
  const plots = figures.map((figure) => costPlot(figure, data.data_sets[Number(figure.dataset.data)]));
  find("#axes").hidden = false;
  key();
  const every = () => plots.forEach((plot) => plot());
  find("#axes").addEventListener("input", every);
  watching.push(every);
  every();
}
