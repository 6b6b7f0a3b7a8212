"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Text and grid follow the page, light or dark; the data keep their colours.
  const themed = (layout) => {
    const changes = {
      "font.color": ink("--ink"),
      "hoverlabel.bgcolor": ink("--raised"),
      "hoverlabel.font.color": ink("--ink"),
      "modebar.bgcolor": "rgba(0,0,0,0)",
      "modebar.color": ink("--soft"),
      "modebar.activecolor": ink("--ink"),
    };
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(key)) {
        changes[`${key}.gridcolor`] = ink("--line");
        changes[`${key}.linecolor`] = ink("--line");
      }
    }
    return changes;
  };

  // On a phone the panels of a heat map stand below each other: side by side nobody could read them.
  const stack = (layout, rows) => {
    const count = layout.annotations.length;
    const step = 1 / count;
    for (let i = 0; i < count; i += 1) {
      const [x, y] = [layout[`xaxis${i ? i + 1 : ""}`], layout[`yaxis${i ? i + 1 : ""}`]];
      const top = 1 - i * step;
      Object.assign(x, { domain: [0, 1], showticklabels: true });
      Object.assign(y, { domain: [top - 0.68 * step, top], showticklabels: true });
      if (i < count - 1) delete x.title;
      Object.assign(layout.annotations[i], { x: 0.5, y: top });
    }
    layout.height = 60 + count * (110 + 26 * rows);
  };

  const draw = async (box) => {
    if (box.dataset.drawn) return;
    box.dataset.drawn = "yes";
    const { data, layout } = charts[box.dataset.chart];
    const narrow = box.clientWidth < 560;
    if (narrow && layout.font) layout.font.size = 10;
    if (narrow && layout.xaxis2) stack(layout, data[0].y.length);
    if (narrow && layout.yaxis?.scaleanchor) layout.height = box.clientWidth; // square cells
    box.style.minHeight = `${layout.height}px`;
    await Plotly.newPlot(box, data, layout, { responsive: true, displaylogo: false, displayModeBar: narrow ? false : "hover" });
    await Plotly.relayout(box, themed(layout));
    box.dataset.ready = "yes";
  };

  const boxes = [...document.querySelectorAll(".plot")];
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        watcher.unobserve(entry.target);
        draw(entry.target);
      }
    }
  }, { rootMargin: "600px" });
  boxes.forEach((box) => watcher.observe(box));

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const box of boxes.filter((each) => each.dataset.ready)) {
      Plotly.relayout(box, themed(charts[box.dataset.chart].layout));
    }
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
