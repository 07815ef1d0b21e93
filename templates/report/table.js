// The table of the models: sorted by a click on a heading, filtered by facets and words.

const columns = data.columns;
const body = find("#runs tbody");
const lines = body ? [...body.rows] : [];
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const words = lines.map((line) => line.textContent.toLowerCase());
let shown = runs.map((_, i) => i);
const watching = [];

function sort(column, direction) {
  const value = (i) => runs[i].cells[column];
  const compare = (x, y) =>
    typeof x === "number" && typeof y === "number" ? x - y : collator.compare(x, y);
  const order = runs.map((_, i) => i);
  // What is not known comes last, whichever way.
  order.sort((a, b) => {
    const x = value(a), y = value(b);
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    return direction * compare(x, y) || a - b;
  });
  body.append(...order.map((i) => lines[i]));
  all("#runs thead th").forEach((head, i) => {
    if (i === column) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  });
}

function heading(head, column) {
  const text = head.textContent;
  const button = element("button", { type: "button", onclick: () => {
    const before = head.getAttribute("aria-sort");
    // Of figures the highest come first: that is what one looks for.
    const first = columns[column].numeric ? -1 : 1;
    const again = { ascending: -1, descending: 1 }[before];
    sort(column, again ?? first);
  } }, text);
  head.replaceChildren(button);
}

function chosen() {
  return all("#filters fieldset").map((set) => {
    const values = data.filters.find((each) => each.column === set.dataset.filter).values;
    const wanted = all("input:checked", set).map((box) => values[Number(box.value)]);
    return { column: columns.findIndex((each) => each.id === set.dataset.filter),
      wanted: new Set(wanted) };
  }).filter((each) => each.wanted.size > 0);
}

function filter() {
  const facets = chosen();
  const text = find("#search").value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = runs.map((_, i) => i).filter((i) =>
    facets.every(({ column, wanted }) => wanted.has(runs[i].cells[column]))
    && text.every((word) => words[i].includes(word)));
  const visible = new Set(shown);
  lines.forEach((line, i) => { line.hidden = !visible.has(i); });
  const none = shown.length === 0, every = shown.length === runs.length;
  find("#count").textContent = every ? `All ${grouped(runs.length)} models`
    : `${grouped(shown.length)} of ${grouped(runs.length)} models`;
  find("#nothing").hidden = !none;
  find("#reset").hidden = every;
  for (const each of watching) each(shown);
}

function reset() {
  for (const box of all("#filters input:checked")) box.checked = false;
  find("#search").value = "";
  filter();
  find("#search").focus();
}

function startTable() {
  if (!body) return;
  all("#runs thead th").forEach(heading);
  const form = find("#filters");
  form.hidden = false;
  if (matchMedia("(max-width: 40rem)").matches) find("details", form).open = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  find("#reset").addEventListener("click", reset);
  filter();
}
