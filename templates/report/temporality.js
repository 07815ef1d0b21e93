// How temporal data are: classes by their gain, each model's gains, and how models agree on them.

const KINDS = { t: "temporal", s: "static" };

function classProfile(figure, each) {
  const place = find(".plot", figure), last = each.classes.length - 1;
  const ranks = each.classes.map((_, i) => i + 1), gained = each.mean.filter((gain) => gain > 0).length;
  place.setAttribute("aria-label", `Temporal gains of ${each.classes.length} classes of ${each.data} by rank: `
    + `${gained} gain; most ${each.classes[0]}, ${points(each.mean[0])} points; `
    + `least ${each.classes[last]}, ${points(each.mean[last])}`);
  const marks = (own, name, paint) => ({
    x: ranks, y: own.map((gain) => (gain === null ? null : 100 * gain)), mode: "markers", hoverinfo: "text",
    text: each.classes.map((title, i) => `${plain(title)}<br>${plain(name)}: ${points(own[i])} points, ${each.counts[i]} videos`),
    marker: { size: 5, opacity: 0.7, color: modelColour(each, name, paint), symbol: name.endsWith("_tp") ? "circle" : "circle-open" },
  });
  draw(place, (paint) => ({
    traces: [
      ...each.models.map((name, i) => marks(each.gains[i], name, paint)),
      { x: ranks, y: each.mean.map((gain) => (gain === null ? null : 100 * gain)), mode: "lines", hoverinfo: "skip",
        line: { color: paint.ink, width: 1.8 } },
    ],
    layout: layout(paint, { height: 340,
      xaxis: axis(paint, { title: "class, by its mean gain", range: [0, ranks.length + 1], ...(ranks.length < 8 ? { dtick: 1 } : {}) }),
      yaxis: axis(paint, { title: "gain, percentage points", zeroline: true }) }),
  }));
  const details = find(".ranked", figure);
  details.addEventListener("toggle", () => {
    if (!find("table", details)) find(".table", details).append(rankedTable(each));
  });
}

const modelColour = (each, name, paint) => {
  const policy = name.replace(/_tp$/, ""), known = policies.indexOf(policy);
  return paint.colours[(known >= 0 ? known : each.models.indexOf(name)) % paint.colours.length];
};

const rankedTable = (each) => table(`Classes of ${each.data} by temporal gain`,
  [{ title: "Class" }, { title: "kind" }, { title: "videos", numeric: true }, { title: "mean gain", numeric: true },
    ...each.models.map((name) => ({ title: name, numeric: true }))],
  each.classes.map((name, i) => [name, KINDS[each.kinds[i]] ?? "", grouped(each.counts[i]), points(each.mean[i]),
    ...each.gains.map((own) => points(own[i]))]));

function agreement(figure, each) {
  const place = find(".agreement", figure);
  if (each.models.length < 2) return;
  place.append(table(`How models agree on which classes of ${each.data} gain: Pearson's correlation over classes`,
    [{ title: "Model" }, ...each.models.map((name) => ({ title: name, numeric: true }))],
    each.agreement.map((row, i) => [each.models[i], ...row.map((value, j) => (i === j ? "" : number(value)))])));
}

function profileKey(figure, each) {
  find(".key", figure).append(...each.models.map((name, i) => {
    const colour = modelColour(each, name, { colours: Array.from({ length: 8 }, (_, c) => `var(--c${c})`) });
    return element("span", {}, mark("circle", colour, !name.endsWith("_tp")), each.models[i]);
  }), element("span", {}, "line: mean"));
}

function startTemporality(classes) {
  all("figure.profile").forEach((figure, i) => {
    profileKey(figure, classes[i]);
    classProfile(figure, classes[i]);
    agreement(figure, classes[i]);
  });
}
