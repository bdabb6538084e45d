// Tables sort by a click on a column's head; the page needs no other script.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column], given = cell?.dataset.value, number = Number(given);
    return given === undefined ? cell?.textContent.trim() ?? "" : given === "" ? NaN : isNaN(number) ? given : number;
  };
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach(other => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const missing = x => x === "" || Number.isNaN(x);
    const order = (a, b) => {
      const x = value(a, column), y = value(b, column);
      if (missing(x) || missing(y)) return missing(x) - missing(y);
      return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
    };
    body.append(...[...body.rows].sort(order));
  }));
}
