"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);

  const draw = async (box) => {
    const spec = structuredClone(charts[box.dataset.chart]);
    const [width, height] = [box.clientWidth, box.clientHeight];
    const narrow = width < 560;
    spec.background = null;
    if (narrow) {
      spec.config.legend.columns = 1;
      spec.config.axis.labelFontSize = 10;
      spec.config.axisQuantitative.tickCount = 4;
    }
    if (spec.facet) {
      // On a phone the panels stand below each other, and the legend above them.
      const { color } = spec.spec.layer[0].encoding;
      if (narrow) Object.assign(color.legend, { orient: "top", direction: "horizontal" });
      if (narrow) spec.columns = 1;
      spec.spec.width = Math.floor((width - (narrow ? 75 : 150)) / spec.columns);
    } else {
      Object.assign(spec, { width, height });
    }
    const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : undefined;
    const inside = document.createElement("div"); // the box keeps its own description
    box.replaceChildren(inside);
    await vegaEmbed(inside, spec, { actions: false, renderer: "svg", tooltip: { theme } });
    box.dataset.ready = "yes";
  };

  // One after another from the top: the page answers in between, and print has every figure.
  const boxes = document.querySelectorAll(".plot");
  let turn = 0;
  const drawAll = async () => {
    const mine = ++turn;
    for (const box of boxes) {
      await new Promise((next) => setTimeout(next));
      if (mine !== turn) return;
      await draw(box).catch(console.error); // the figures after a faulty one are drawn
    }
  };
  drawAll();

  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    drawAll();
  });

  // An absent figure goes last, whichever way the column is sorted.
  const compare = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  };
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.value;
    if (value === undefined) return cell.textContent.trim() === "–" ? "" : cell.textContent.trim();
    return value === "" ? "" : Number(value);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => compare(valueOf(a, column), valueOf(b, column), descending ? -1 : 1));
      table.tBodies[0].append(...rows);
    }));
  }

  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((each) => { each.open = true; });
  });
})();
