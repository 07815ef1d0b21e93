// From the baseline to the other models by single changes: a graph of models, gains on its arrows.

function evolutionSteps(graph, target) {
  return target === "" ? graph.steps
    : graph.steps.filter((step) => step.policy === target || step.policy === baselineName);
}

let baselineName = "";

function evolutionPlot(figure, graph, target) {
  const steps = evolutionSteps(graph, target);
  const named = new Set(steps.flatMap((step) => [step.from, step.to]));
  const models = graph.models.filter((model) => named.has(model.name) && model.value !== null && model.macs);
  const at = new Map(models.map((model) => [model.name, model]));
  const arrows = steps.filter((step) => at.has(step.from) && at.has(step.to));
  const told = (step) => `${step.from} to ${step.to} (${step.change}): ${interval(step, points)} points`;
  const title = `${graph.title}${graph.published ? ", published" : ""}`;
  find("figcaption", figure).textContent = title;
  const place = find(".plot", figure);
  place.setAttribute("aria-label", `On ${title}: ${arrows.map(told).join("; ")}`);
  const tested = steps.some((step) => step.p !== null);
  find(".table", figure).replaceChildren(table(`Single changes on ${title}`,
    [{ title: "From" }, { title: "to" }, { title: "by" }, { title: "gain, points", numeric: true },
      { title: "GMACs", numeric: true }, ...(tested ? [{ title: "p (Holm)", numeric: true }] : [])],
    steps.map((step) => [step.from, step.to, step.change, interval(step, points),
      (step.macs < 0 ? MINUS : "+") + (Math.abs(step.macs) / 1e9).toPrecision(3),
      ...(tested ? [probability(step.p)] : [])])));
  draw(place, (paint) => ({
    traces: [modelMarks(models, paint), gainMarks(arrows, at, told, paint)],
    layout: layout(paint, {
      height: 420, annotations: [...arrows.map((step) => arrow(at.get(step.from), at.get(step.to), paint)),
        ...arrows.map((step) => gainNote(step, at, paint))],
      xaxis: axis(paint, { title: "GMACs", type: "log", range: spread(models.map((model) => Math.log10(model.macs / 1e9)), innerWidth < 640 ? 0.42 : 0.18),
        tickvals: ticks(models.map((model) => model.macs / 1e9)), ticktext: ticks(models.map((model) => model.macs / 1e9)).map(grouped) }),
      yaxis: axis(paint, { title: "top-1, %", range: spread(models.map((model) => 100 * model.value)) }),
    }),
  }));
}

// Room on both sides for names; a single value has some as well.
function spread(values, part = 0.18) {
  const low = Math.min(...values), high = Math.max(...values);
  const room = part * (high - low) || 0.2 * Math.abs(high) || 0.5;
  return [low - room, high + room];
}

function modelMarks(models, paint) {
  const colours = models.map((model) => colourOf(paint, model.policy));
  return {
    x: models.map((model) => model.macs / 1e9), y: models.map((model) => 100 * model.value),
    error_y: { ...errors(models, 100), color: paint.line },
    mode: "markers+text", hoverinfo: "text", cliponaxis: false,
    // Away from the arrows: pooling leads to the left.
    textposition: models.map((model) => (model.tp ? "middle left" : "middle right")),
    texttemplate: models.map((model) => `  ${plain(short(model.name, 20))}  `), textfont: { color: paint.ink },
    hovertext: models.map((model) => `${plain(model.name)}<br>${interval(model, percent)} %, ${(model.macs / 1e9).toPrecision(4)} GMACs`),
    marker: { size: 11, color: colours, symbol: models.map((model) => (model.tp ? "circle" : "circle-open")),
      line: { width: 1.6, color: colours } },
  };
}

const middle = (step, at) => [Math.sqrt(at.get(step.from).macs * at.get(step.to).macs) / 1e9,
  50 * (at.get(step.from).value + at.get(step.to).value)];

// Places to point at; what is gained stands there as a note on the arrow.
const gainMarks = (arrows, at, told, paint) => ({
  x: arrows.map((step) => middle(step, at)[0]), y: arrows.map((step) => middle(step, at)[1]),
  mode: "markers", hoverinfo: "text", hovertext: arrows.map((step) => plain(told(step))),
  marker: { size: 22, opacity: 0, color: paint.ground },
});

const gainNote = (step, at, paint) => ({
  x: Math.log10(middle(step, at)[0]), y: middle(step, at)[1], text: points(step.value), showarrow: false,
  bgcolor: paint.ground, borderpad: 1, font: { size: 11, color: step.value < 0 ? paint.minus : paint.plus },
});

function arrow(a, b, paint) {
  return {
    x: Math.log10(b.macs / 1e9), y: 100 * b.value, ax: Math.log10(a.macs / 1e9), ay: 100 * a.value,
    xref: "x", yref: "y", axref: "x", ayref: "y", text: "", showarrow: true, arrowhead: 2, arrowsize: 1,
    arrowwidth: 1.1, arrowcolor: paint.soft, standoff: 9, startstandoff: 9,
  };
}

function startEvolution({ baseline, graphs }) {
  const figure = find("#evolution-graph");
  if (!figure || graphs.length === 0) return;
  baselineName = baseline;
  const form = find("#evolution-choice"), which = find("#evolution-models"), target = find("#evolution-target");
  which.append(...graphs.map((graph, i) =>
    element("option", { value: i }, graph.title + (graph.published && data.mixed ? ", published" : ""))));
  const targets = (graph) => [...new Set(graph.steps.map((step) => step.policy))].filter((name) => name !== baseline);
  const fill = () => {
    const graph = graphs[Number(which.value)], names = targets(graph);
    const wanted = names.includes(target.value) ? target.value
      : names.length < 3 ? "" : names.includes("tam") ? "tam" : names[names.length - 1];
    target.replaceChildren(element("option", { value: "" }, "all"),
      ...names.map((name) => element("option", { value: name, selected: name === wanted }, name)));
    evolutionPlot(figure, graph, wanted);
  };
  which.addEventListener("input", fill);
  target.addEventListener("input", () => evolutionPlot(figure, graphs[Number(which.value)], target.value));
  form.hidden = false;
  fill();
}
