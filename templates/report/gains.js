// What choices are worth: forests of gains with their intervals, and of contributions.

const interval = (each, text) => each.low === null ? text(each.value)
  : `${text(each.value)} (${text(each.low)} to ${text(each.high)})`;
const number = (value) => value === null ? DASH
  : (value < 0 ? MINUS : "") + Math.abs(value).toFixed(2);
const pooled = (row) => row.policy + (row.tp ? ", pooled" : "");

// Models in rows: those of one policy together, by backbone and length; what is published below.
function forest(rows, label) {
  const groups = new Map();
  for (const row of rows) {
    const name = label(row);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  const place = (row) => backbones.indexOf(row.backbone);
  const placed = [], names = [];
  let at = 0;
  for (const [name, own] of groups) {
    own.sort((a, b) => place(a) - place(b) || a.frames - b.frames || a.published - b.published);
    const first = at;
    for (const row of own) placed.push({ row, y: at++ });
    names.push({ name, y: (first + at - 1) / 2, end: at - 0.5 });
    at += 0.8;
  }
  return { placed, names, height: at };
}

function errors(values, scale) {
  const known = values.some((each) => each.low !== null);
  return {
    type: "data", symmetric: false, visible: known, thickness: 1, width: 0,
    array: values.map((each) => each.high === null ? 0 : scale * (each.high - each.value)),
    arrayminus: values.map((each) => each.low === null ? 0 : scale * (each.value - each.low)),
  };
}

function forestLayout(paint, made, title) {
  return layout(paint, {
    height: Math.max(150, 70 + 9 * made.height),
    xaxis: axis(paint, { title, zeroline: true, rangemode: "tozero" }),
    yaxis: axis(paint, { tickvals: made.names.map(({ y }) => y), range: [made.height - 0.3, -0.8],
      ticktext: made.names.map(({ name }) => plain(short(name, 22))), showgrid: false, zeroline: false }),
    shapes: made.names.slice(0, -1).map(({ end }) => ({ type: "line", xref: "paper", x0: 0, x1: 1,
      y0: end + 0.4, y1: end + 0.4, line: { color: paint.line, width: 1 } })),
  });
}

const told = (row) => `${pooled(row)}, ${row.backbone}, ${row.frames} frames`
  + (row.published ? ", published" : "");

function gainPlot(figure, rows, name) {
  const made = forest(rows, pooled);
  const list = made.placed.map(({ row }) => row);
  const title = `${rows.length} gains on ${name}: `
    + `${rows.filter((row) => row.value > 0).length} positive, `
    + `${rows.filter((row) => row.low > 0).length} with an interval above 0, `
    + `${rows.filter((row) => row.high !== null && row.high < 0).length} below`;
  find(".plot", figure).setAttribute("aria-label", title);
  const tested = rows.some((row) => row.p !== null);
  const heads = [{ title: "Model" }, { title: "over" }, { title: "gain, points", numeric: true },
    ...(tested ? [{ title: "p (Holm)", numeric: true }] : [])];
  const details = find("details", figure);
  details.addEventListener("toggle", () => {
    if (find("table", details)) return;
    find(".table", details).append(table(title, heads, list.map((row) => [told(row), row.from,
      interval(row, points), ...(tested ? [probability(row.p)] : [])])));
  });
  draw(find(".plot", figure), (paint) => ({
    traces: [{
      x: list.map((row) => 100 * row.value), y: made.placed.map(({ y }) => y), mode: "markers",
      error_x: { ...errors(list, 100), color: paint.soft }, hoverinfo: "text",
      text: list.map((row) => `${plain(told(row))}<br>${plain(interval(row, points))} points over ${plain(row.from)}`
        + (row.p === null ? "" : `, p ${probability(row.p)}`)),
      marker: {
        color: list.map((row) => colourOf(paint, row.policy)),
        symbol: list.map((row) => symbolOf(row.backbone) + (row.tp ? "" : "-open")),
        size: list.map((row) => 0.75 * size(row.frames)),
        opacity: list.map((row) => (row.published && data.mixed ? 0.55 : 0.9)),
        line: { width: 1.4, color: list.map((row) => colourOf(paint, row.policy)) },
      },
    }],
    layout: forestLayout(paint, made, "gain, percentage points"),
  }));
}

const probability = (p) => p === null ? DASH : p < 0.0001 ? "< 0.0001" : p.toPrecision(2);

// Measures of a policy: Φ without pooling, and Ψ without and with it.
const MEASURES = [
  { id: "phi", title: "Φ", symbol: "diamond", open: true },
  { id: "psi", title: "Ψ", symbol: "circle", open: false },
];

function contributionPlot(figure, rows, name) {
  const made = forest(rows.map((row) => ({ ...row, backbone: backbones[0], frames: 0 })), pooled);
  const list = made.placed.map(({ row }) => row);
  find(".plot", figure).setAttribute("aria-label", `On ${name}: ` + list.map((row) =>
    `${pooled(row)} Φ ${number(row.phi.value)}, Ψ ${number(row.psi.value)}`).join("; "));
  draw(find(".plot", figure), (paint) => {
    const colours = list.map((row) => colourOf(paint, row.policy));
    const traces = MEASURES.map(({ id, title, symbol, open }) => ({
      x: list.map((row) => row[id].value), y: made.placed.map(({ y }) => y + (open ? -0.16 : 0.16)), mode: "markers",
      error_x: { ...errors(list.map((row) => row[id]), 1), color: paint.soft }, hoverinfo: "text",
      text: list.map((row) => `${plain(pooled(row))}${row.published ? ", published" : ""}<br>${title} ${interval(row[id], number)}, ${row.pairs} pairs`),
      marker: { symbol: symbol + (open ? "-open" : ""), size: 9, color: colours, line: { width: 1.4, color: colours },
        opacity: list.map((row) => (row.published && data.mixed ? 0.55 : 0.9)) },
    }));
    const drawn = forestLayout(paint, made, "Φ and Ψ");
    drawn.height = Math.max(150, 70 + 22 * made.height);
    return { traces, layout: drawn };
  });
}

function contributionKey() {
  const place = find("#contribution-key");
  place.hidden = false;
  place.append(...MEASURES.map(({ title, symbol, open }) =>
    element("span", {}, mark(symbol, "var(--soft)", open), title)),
  ...(data.mixed ? [element("span", {}, "paler: published")] : []));
}

async function startGains() {
  const figures = all("figure.gain"), others = all("figure.contribution");
  const more = all("#evolution-graph, figure.profile");
  if (figures.length + others.length + more.length === 0) return;
  let known = null;
  try { known = await block("gains-data"); } catch (error) {
    for (const each of [...others, ...figures, ...more]) absent(find(".plot", each), error);
    return;
  }
  const byData = (rows) => Map.groupBy ? Map.groupBy(rows, (row) => row.data)
    : rows.reduce((map, row) => map.set(row.data, [...(map.get(row.data) ?? []), row]), new Map());
  const parts = byData(known.contributions), names = [...parts.keys()];
  for (const figure of others) {
    const name = names[Number(figure.dataset.data)];
    contributionPlot(figure, parts.get(name), name);
  }
  if (others.length > 0) contributionKey();
  for (const { id, rows } of known.kinds) {
    const own = byData(rows), of = [...own.keys()];
    const mine = figures.filter((each) => each.dataset.kind === id);
    mine.forEach((figure) => {
      const name = of[Number(figure.dataset.data)];
      gainPlot(figure, own.get(name), name);
    });
    const place = find(`#gains-${id} ~ .key`);
    place.hidden = false;
    place.append(...keyEntries(rows));
  }
  startEvolution(known.evolution);
  startTemporality(known.classes);
}
