// Classes: gains of a model over another one, class by class, and confusions on demand.

const MOST = 12;

const accuracyOf = (outcomes, number, k) => {
  const { set, correct } = outcomes.runs[number], count = outcomes.sets[set].counts[k];
  return count === 0 ? null : correct[k] / count;
};

function gains(outcomes, model, base) {
  const { classes, counts } = outcomes.sets[outcomes.runs[model].set];
  return classes.map((name, k) => ({
    name, count: counts[k], model: accuracyOf(outcomes, model, k), base: accuracyOf(outcomes, base, k),
  })).filter((each) => each.model !== null).map((each) => ({ ...each, gain: each.model - each.base }))
    .sort((a, b) => b.gain - a.gain || collator.compare(a.name, b.name));
}

function classPlot(outcomes, model, base) {
  const figure = find("#class-gains"), place = find(".plot", figure);
  const found = gains(outcomes, model, base);
  const cut = found.length > 2 * MOST + 6;
  const listed = cut ? [...found.slice(0, MOST), ...found.slice(-MOST)] : found;
  const better = found.filter((each) => each.gain > 0).length;
  const worse = found.filter((each) => each.gain < 0).length;
  const title = `${runs[model].name} against ${runs[base].name}: better in ${better}, worse in ${worse} of ${found.length} classes`;
  find("figcaption", figure).textContent = title + (cut ? `; the ${MOST} of the greatest gains and losses` : "");
  place.setAttribute("aria-label", title + (found.length ? `; most in ${found[0].name}, ${points(found[0].gain)} points` : ""));
  find(".table", figure).replaceChildren(table(title,
    [{ title: "Class" }, ...["videos", "against, %", "model, %", "gain, points"].map((each) => ({ title: each, numeric: true }))],
    found.map((each) => [each.name, grouped(each.count), percent(each.base), percent(each.model), points(each.gain)])));
  const rows = [...listed].reverse();
  draw(place, (paint) => ({
    traces: [{
      type: "bar", orientation: "h", y: rows.map((_, i) => i), x: rows.map((each) => 100 * each.gain),
      marker: { color: rows.map((each) => (each.gain < 0 ? paint.minus : paint.plus)) }, hoverinfo: "text", textposition: "none",
      text: rows.map((each) => `${plain(each.name)}<br>${percent(each.base)} → ${percent(each.model)} % of ${each.count} videos`),
    }],
    layout: layout(paint, {
      height: 60 + 18 * rows.length, bargap: 0.35,
      xaxis: axis(paint, { title: "gain, percentage points", zeroline: true }),
      yaxis: axis(paint, { tickvals: rows.map((_, i) => i), ticktext: rows.map((each) => plain(short(each.name, room()))), showgrid: false, zeroline: false }),
    }),
  }));
}

const room = () => (innerWidth < 640 ? 20 : 44);

// Against which model: the one without time of the same kind, else the nearest.
function baseOf(outcomes, model) {
  const same = [...runs.keys()].filter((i) => i !== model && outcomes.runs[i]
    && outcomes.runs[i].set === outcomes.runs[model].set);
  const like = (i) => ["backbone", "frames", "tp", "data"].every((key) => runs[i][key] === runs[model][key]);
  const frame = same.filter((i) => like(i) && runs[i].policy.toLowerCase() === "tsn");
  return frame[0] ?? neighbour(model, same);
}

async function startClasses() {
  const form = find("#pair");
  if (!form) return;
  const outcomes = await block("outcomes").catch((error) => { absent(find("#class-gains .plot"), error); return null; });
  if (outcomes === null) return;
  const tested = [...runs.keys()].filter((i) => outcomes.runs[i]);
  const model = find("#class-model"), base = find("#class-base");
  const option = (i, selected) => element("option", { value: i, selected }, runs[i].name);
  const fill = (number) => {
    const nearest = baseOf(outcomes, number);
    const others = tested.filter((i) => i !== number && outcomes.runs[i].set === outcomes.runs[number].set);
    base.replaceChildren(...others.map((i) => option(i, i === nearest)));
    if (nearest === null) find("#class-gains").replaceChildren(element("p", { class: "remark" }, "There is no other model on these data."));
    else classPlot(outcomes, number, nearest);
  };
  const best = tested.reduce((a, b) => ((runs[b].top1 ?? 0) > (runs[a].top1 ?? 0) && runs[b].data === runs[a].data ? b : a), tested[0]);
  model.replaceChildren(...tested.map((i) => option(i, i === best)));
  form.hidden = false;
  model.addEventListener("input", () => fill(Number(model.value)));
  base.addEventListener("input", () => classPlot(outcomes, Number(model.value), Number(base.value)));
  fill(best);
}

// Confusion: counts of (label, first class), as steps between cells and counts, seven bits a byte.

let cells = null;
async function confusion(outcomes, number) {
  cells ??= unpacked("confusions").then((answer) => answer.arrayBuffer()).then((buffer) => new Uint8Array(buffer));
  const bytes = await cells;
  let [at, count] = outcomes.runs[number].cells;
  const next = () => {
    let value = 0, shift = 1;
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 127) * shift;
      if (byte < 128) return value;
      shift *= 128;
    }
  };
  const steps = Array.from({ length: count }, next), counts = Array.from({ length: count }, next);
  let cell = 0;
  const size = outcomes.sets[outcomes.runs[number].set].classes.length;
  return steps.map((step, i) => {
    cell += step;
    return { label: Math.floor(cell / size), seen: cell % size, count: counts[i] };
  });
}

function confusionOf(number) {
  const place = element("div"), button = element("button", { type: "button", onclick: async () => {
    button.disabled = true;
    const outcomes = await block("outcomes").catch(() => null);
    if (!outcomes?.runs[number]?.cells) {
      place.replaceChildren(element("p", { class: "remark" }, "No predictions of this model are here, or its videos bear several labels each."));
      return;
    }
    showConfusion(outcomes, number, await confusion(outcomes, number), place);
  } }, "Show its confusion");
  place.append(button);
  return place;
}

function showConfusion(outcomes, number, found, place) {
  const { classes, counts } = outcomes.sets[outcomes.runs[number].set];
  const wrong = found.filter((each) => each.label !== each.seen)
    .sort((a, b) => b.count - a.count || a.label - b.label || a.seen - b.seen);
  const plot = element("div", { class: "plot", role: "img" });
  const errors = wrong.reduce((sum, each) => sum + each.count, 0);
  plot.setAttribute("aria-label", `Confusion of ${classes.length} classes: ${errors} videos shown are taken for another class`
    + (wrong.length ? `, most often ${classes[wrong[0].label]} for ${classes[wrong[0].seen]}` : ""));
  const left = outcomes.runs[number].left;
  const note = left ? [element("p", { class: "remark" }, `To keep this page small ${grouped(left)} of its rarest confusions are not in it.`)] : [];
  place.replaceChildren(element("figure", { class: "confusion" },
    element("figcaption", {}, "Confusion: rows are labels, columns what the model saw, shares of a row in per cent"), plot, ...note,
    foldable("What it confuses most", table("Classes taken for another one",
      [{ title: "Class" }, { title: "taken for" }, { title: "videos", numeric: true }, { title: "of the class, %", numeric: true }],
      wrong.slice(0, 30).map((each) => [classes[each.label], classes[each.seen], grouped(each.count), percent(each.count / counts[each.label])])))));
  draw(plot, (paint) => heat(classes, counts, found, paint));
}

function heat(classes, counts, found, paint) {
  const z = classes.map(() => new Array(classes.length).fill(0));
  for (const { label, seen, count } of found) z[label][seen] = 100 * count / counts[label];
  const text = z.map((row, i) => row.map((value, j) => (value === 0 ? "" : `${plain(classes[i])}<br>taken for ${plain(classes[j])}: ${value.toFixed(1)} %`)));
  const few = classes.length <= 30;
  const marks = few ? { tickvals: classes.map((_, i) => i), ticktext: classes.map((name) => plain(short(name, 20))) } : { showticklabels: false };
  return {
    traces: [{ type: "heatmap", z, text, hoverinfo: "text", zmin: 0, zmax: 100, colorscale: [[0, paint.ground], [0.02, paint.raised], [1, paint.colours[0]]],
      colorbar: { thickness: 10, outlinewidth: 0, ticksuffix: " %", tickfont: { color: paint.soft } } }],
    layout: layout(paint, { height: Math.min(680, 420 + 4 * classes.length),
      xaxis: axis(paint, { ...marks, title: few ? "" : "first class", showgrid: false, zeroline: false }),
      yaxis: axis(paint, { ...marks, title: few ? "" : "label", showgrid: false, zeroline: false, autorange: "reversed" }) }),
  };
}
