(() => {
  "use strict";
  const { template, figures } = JSON.parse(
    document.getElementById("figures").textContent,
  );
  const config = { responsive: true, displayModeBar: false };

  // Puts in what `var(--name)` stands for: Plotly does not read CSS variables.
  function themed(value, css) {
    if (typeof value === "string") {
      const name = /^var\((--[a-z]+)\)$/.exec(value);
      return name ? css.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((v) => themed(v, css));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([key, v]) => [key, themed(v, css)]),
      );
    }
    return value;
  }

  // The chart's key, then the values of the selects that steer it.
  function figureOf(chart) {
    const picks = document.querySelectorAll(`select[data-chart~="${chart.id}"]`);
    const key = [chart.dataset.figure, ...Array.from(picks, (s) => s.value)];
    return figures[key.join("/")];
  }

  function draw(chart) {
    const figure = figureOf(chart);
    // Not every entry of a select has a figure for every chart that it steers.
    chart.closest("figure").hidden = !figure;
    if (!figure) return undefined;
    const css = getComputedStyle(document.documentElement);
    const layout = { ...figure.layout, template };
    // An empty panel of the right height until the chart is there: nothing jumps.
    chart.style.height = `${layout.height ?? template.layout.height}px`;
    return Plotly.react(chart, themed(figure.data, css), themed(layout, css), config);
  }

  function drawAll() {
    return Promise.all(Array.from(document.querySelectorAll(".chart"), draw));
  }

  for (const select of document.querySelectorAll("select[data-chart]")) {
    const charts = select.dataset.chart.split(" ").map((id) => document.getElementById(id));
    select.addEventListener("change", () => charts.forEach(draw));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll().then(() => document.documentElement.setAttribute("data-drawn", ""));
})();
