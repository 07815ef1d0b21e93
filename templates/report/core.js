// What all parts of the page share: its data, numbers as text, elements, colours, and plotting.
// Names and texts are other people's: they become text nodes, keys of a Map, never markup.

const data = JSON.parse(document.getElementById("data").textContent);
const runs = data.runs;
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// Numbers -----------------------------------------------------------------------------------------

const DASH = "–", MINUS = "−";
const percent = (share, digits = 1) =>
  share === null || share === undefined ? DASH : (100 * share).toFixed(digits);
const points = (share) =>
  share === null ? DASH : (share < 0 ? MINUS : "+") + Math.abs(100 * share).toFixed(1);
const grouped = (number) => number.toLocaleString("en-US");

function table(caption, columns, rows) {
  const head = columns.map((column) =>
    element("th", { scope: "col", class: column.numeric && "number" }, column.title));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell, i) =>
    i === 0 ? element("th", { scope: "row" }, cell)
      : element("td", { class: columns[i].numeric && "number" }, cell))));
  const made = element("table", {}, element("caption", {}, element("span", {}, caption)),
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    made);
}

const link = (number) => element("a", { href: `#run-${number}` }, runs[number].name);

// Packed blocks -----------------------------------------------------------------------------------

async function unpacked(id) {
  const text = document.getElementById(id).textContent.trim();
  if (!text) return null;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream);
}

const loaded = new Map();
function block(id) {
  if (!loaded.has(id)) {
    loaded.set(id, unpacked(id).then((answer) => (answer === null ? null : answer.json())));
  }
  return loaded.get(id);
}

// Plots -------------------------------------------------------------------------------------------

// Texts that Plotly shows: it knows a little markup, which names are not meant to use.
const plain = (text) => String(text)
  .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
// Of long names on axes the first part; the whole stands in the tables and on hovering.
const short = (text, length = 34) => {
  const characters = [...String(text)];
  return characters.length > length ? characters.slice(0, length - 1).join("") + "…" : String(text);
};

const printing = matchMedia("print");
const dark = matchMedia("(prefers-color-scheme: dark)");

function tokens() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: of("ink"), soft: of("soft"), line: of("line"), ground: of("ground"), raised: of("raised"),
    plus: of("plus"), minus: of("minus"),
    colours: Array.from({ length: 8 }, (_, i) => of(`c${i}`)),
  };
}

function axis(paint, more = {}) {
  return {
    gridcolor: paint.line, linecolor: paint.line, zerolinecolor: paint.soft, zerolinewidth: 1,
    tickcolor: paint.line, automargin: true, fixedrange: true, ...more,
    title: { text: more.title ?? "", font: { size: 12, color: paint.soft }, standoff: 8 },
  };
}

function layout(paint, more) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: "system-ui, -apple-system, Segoe UI, sans-serif", size: 12, color: paint.ink },
    margin: { l: 8, r: 12, t: 10, b: 8 }, height: 310, hovermode: "closest", dragmode: false,
    hoverlabel: { bgcolor: paint.raised, bordercolor: paint.line, font: { color: paint.ink },
      align: "left" },
    ...more,
  };
}

const CONFIG = { displayModeBar: false, responsive: true, displaylogo: false };
let plotly = null;

function withPlotly() {
  plotly ??= (async () => {
    const answer = await unpacked("plotly");
    if (answer === null) throw new Error("no plots in this page");
    document.head.append(element("script", {}, await answer.text()));
    return window.Plotly;
  })();
  return plotly;
}

// A plot is a place, and a function that tells what is drawn there in the colours of the moment.
const drawings = new Map();
let drawn = Promise.resolve();

function draw(place, make) {
  drawings.set(place, make);
  place.classList.add("waiting");
  drawn = drawn.then(() => redraw(place)).catch((error) => absent(place, error));
  return drawn;
}

async function redraw(place) {
  const library = await withPlotly();
  const made = drawings.get(place)(tokens());
  place.classList.remove("waiting");
  if (made === null) return;
  await library.react(place, made.traces, made.layout, CONFIG);
  // The place has a label that says what is drawn; the drawing's parts say nothing by themselves.
  for (const svg of [...all("svg", place), ...all("#js-plotly-tester")]) svg.setAttribute("aria-hidden", "true");
  place.dataset.drawn = "yes";
  place.onclick = null;
  place.removeAllListeners?.("plotly_click");
  place.on?.("plotly_click", (event) => {
    const number = event.points[0]?.customdata;
    if (Number.isInteger(number)) location.hash = `#run-${number}`;
  });
  // A breath between plots: the page stays at hand while they are drawn.
  if (!printing.matches) await new Promise((resolve) => setTimeout(resolve));
}

function absent(place, error) {
  place.classList.remove("waiting");
  place.classList.add("absent");
  const why = typeof DecompressionStream === "undefined"
    ? "This browser is too old to draw the plots" : `The plot could not be drawn (${error.message})`;
  place.replaceChildren(`${why}; the tables hold the same figures.`);
}

function repaint() {
  for (const place of drawings.keys()) drawn = drawn.then(() => redraw(place));
}

function whole() {
  // What is printed is drawn within this call: in the print's colours and width.
  for (const each of all("details.full")) each.open = true;
  if (!window.Plotly) return;
  const paint = tokens();
  for (const [place, make] of drawings) {
    const made = place.dataset.drawn ? make(paint) : null;
    if (made !== null) window.Plotly.react(place, made.traces, made.layout, CONFIG);
  }
}

dark.addEventListener("change", repaint);
printing.addEventListener("change", repaint);
addEventListener("beforeprint", whole);
addEventListener("afterprint", repaint);
