/* Draws a report from the data in this page. Nothing is fetched; without the plotting library the
 * tables stand alone. */
"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const at = (id) => document.getElementById(id);
  let run = data.runs[0];
  const views = [];

  /* Okabe and Ito's colours, told apart by colour-blind eyes, a little lighter on dark paper; every
   * allocator has a shape of its own as well. */
  const light = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8a6d00", "#56B4E9", "#777777", "#000000"];
  const night = ["#4FA9E6", "#F0803C", "#2FC79B", "#E39AC6", "#E6C229", "#9AD4F7", "#A8A8A8", "#FFFFFF"];
  const shapes = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"];
  const colours = () => (dark.matches ? night : light);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const names = () => run.allocs.map((a) => a.name);
  const ours = () => run.allocs.map((a, i) => i).filter((i) => !run.allocs[i].peer);

  function element(tag, attributes, ...children) {
    const e = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) e.setAttribute(key, value);
    for (const child of children) e.append(child);
    return e;
  }
  const finite = (x) => typeof x === "number" && isFinite(x);
  function rate(x) {
    if (!finite(x)) return "–";
    if (x >= 1e8) return (x / 1e6).toFixed(0) + " M";
    if (x >= 1e7) return (x / 1e6).toFixed(1) + " M";
    if (x >= 1e4) return (x / 1e6).toFixed(2) + " M";
    return x.toPrecision(3);
  }
  function bytes(x) {
    if (!finite(x)) return "–";
    if (x >= 2 ** 30) return (x / 2 ** 30).toFixed(2) + " GiB";
    if (x >= 2 ** 20) return (x / 2 ** 20).toFixed(1) + " MiB";
    return (x / 1024).toFixed(0) + " KiB";
  }
  const interval = (i) => (i && finite(i[0]) ? "[" + i[0].toFixed(2) + ", " + i[1].toFixed(2) + "]" : "");
  const times = (x) => (finite(x) ? (x >= 10 ? x.toFixed(1) : x.toFixed(2)) + "×" : "–");
  function median(values) {
    const v = values.filter(finite).sort((a, b) => a - b);
    return v.length ? (v[(v.length - 1) >> 1] + v[v.length >> 1]) / 2 : NaN;
  }
  function geometric(values) {
    const v = values.filter((x) => finite(x) && x > 0);
    return v.length ? Math.exp(v.reduce((sum, x) => sum + Math.log(x), 0) / v.length) : NaN;
  }

  /* ---- charts ---- */

  function draw(place, spec) {
    if (typeof vega === "undefined") {
      place.textContent = "The plotting library was not at hand when this page was made; the tables below hold every figure.";
      return;
    }
    const ink = css("--ink"), quiet = css("--quiet"), line = css("--line");
    const axis = { labelColor: quiet, titleColor: quiet, tickColor: line, domainColor: line, gridColor: line, labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal", labelFont: "system-ui, sans-serif", titleFont: "system-ui, sans-serif" };
    const config = { axis, legend: { labelColor: ink, titleColor: quiet, labelFontSize: 12, symbolSize: 90, labelFont: "system-ui, sans-serif" }, text: { fill: ink, font: "system-ui, sans-serif" }, background: null };
    const view = new vega.View(vega.parse(spec, config), { renderer: "svg", container: place, hover: true });
    view.runAsync().catch((error) => console.error(error));
    views.push(view);
  }
  const allocScales = () => [
    { name: "colour", type: "ordinal", domain: names(), range: colours() },
    { name: "shape", type: "ordinal", domain: names(), range: shapes },
  ];
  const legend = { fill: "colour", shape: "shape", orient: "right", encode: { symbols: { enter: { strokeWidth: { value: 0 } } } } };

  const warmth = (c) => (c.cold ? "; warm-up cut at " + c.warmTurnovers.toFixed(1) + " of 2 turns of the rings" : "");
  function matrixSpec() {
    const values = [];
    for (const row of run.rows)
      row.cells.forEach((c, i) => {
        const same = c.verdict === "no difference seen" || c.verdict === "-";
        const text = finite(c.ratio) ? (c.ratio >= 10 ? c.ratio.toFixed(1) : c.ratio.toFixed(2)) : c.failed ? "failed" : c.invalid ? "invalid" : "";
        values.push({
          row: row.name, alloc: names()[i], level: finite(c.ratio) && c.ratio > 0 ? Math.max(-2, Math.min(2, Math.log2(c.ratio))) : 0,
          text: (c.verdict === "best peer" ? "◆ " : "") + (same ? "(" + text + ")" : text) + (c.cold ? " *" : ""),
          tip: row.name + "\n" + names()[i] + ": " + rate(c.ops) + "/s, ratio " + times(c.ratio) + " " + interval(c.ratioInterval) + "\n" + c.verdict + (c.note ? "; " + c.note : "") + warmth(c),
        });
      });
    const range = dark.matches ? ["#b35806", "#5b3a14", "#262b32", "#1d4468", "#2b7bbd"] : ["#d9730d", "#f7c99b", "#f2f3f5", "#a9cdee", "#3f8fd2"];
    return {
      $schema: "https://vega.github.io/schema/vega/v5.json", width: Math.min(900, 116 * names().length), height: 27 * run.rows.length, padding: 4, autosize: "pad",
      data: [{ name: "cells", values }],
      scales: [
        { name: "x", type: "band", domain: names(), range: "width", padding: 0.03 },
        { name: "y", type: "band", domain: run.rows.map((r) => r.name), range: "height", padding: 0.06 },
        { name: "fill", type: "linear", domain: [-2, -0.7, 0, 0.7, 2], range, clamp: true },
      ],
      axes: [
        { orient: "top", scale: "x", domain: false, ticks: false, labelPadding: 6, labelColor: css("--ink"), labelFontSize: 12 },
        { orient: "left", scale: "y", domain: false, ticks: false, labelPadding: 8, labelLimit: 260, labelColor: css("--ink"), labelFontSize: 12 },
      ],
      marks: [
        { type: "rect", from: { data: "cells" }, encode: { enter: { x: { scale: "x", field: "alloc" }, width: { scale: "x", band: 1 }, y: { scale: "y", field: "row" }, height: { scale: "y", band: 1 }, fill: { scale: "fill", field: "level" }, cornerRadius: { value: 3 }, tooltip: { field: "tip" } } } },
        { type: "text", interactive: false, from: { data: "cells" }, encode: { enter: { x: { scale: "x", field: "alloc", band: 0.5 }, y: { scale: "y", field: "row", band: 0.5 }, text: { field: "text" }, align: { value: "center" }, baseline: { value: "middle" }, fontSize: { value: 12 }, fill: { value: css("--ink") } } } },
      ],
    };
  }

  function throughputSpec(row) {
    const values = row.cells.map((c, i) => ({ alloc: names()[i], ops: c.ops, low: c.opsInterval[0], high: c.opsInterval[1], tip: names()[i] + ": " + rate(c.ops) + "/s, spread ±" + (100 * (c.spread || 0)).toFixed(1) + " %" })).filter((v) => finite(v.ops));
    const marks = [
      { type: "rule", from: { data: "cells" }, encode: { enter: { y: { scale: "y", field: "alloc", band: 0.5 }, x: { scale: "x", field: "low" }, x2: { scale: "x", field: "high" }, stroke: { scale: "colour", field: "alloc" }, strokeWidth: { value: 3 }, opacity: { value: 0.55 } } } },
      { type: "symbol", from: { data: "cells" }, encode: { enter: { y: { scale: "y", field: "alloc", band: 0.5 }, x: { scale: "x", field: "ops" }, size: { value: 75 }, shape: { scale: "shape", field: "alloc" }, fill: { scale: "colour", field: "alloc" }, tooltip: { field: "tip" } } } },
    ];
    const top = Math.max(...values.map((v) => (finite(v.high) ? v.high : v.ops)), finite(row.floor) ? row.floor : 0, 1);
    if (finite(row.floor)) marks.unshift({ type: "rule", encode: { enter: { x: { scale: "x", value: row.floor }, y: { value: 0 }, y2: { signal: "height" }, stroke: { value: css("--quiet") }, strokeDash: { value: [4, 3] } } } });
    return {
      $schema: "https://vega.github.io/schema/vega/v5.json", width: 225, height: 22 * row.cells.length, padding: 4, autosize: "pad",
      data: [{ name: "cells", values }],
      scales: [{ name: "x", domain: [0, top * 1.02], range: "width" }, { name: "y", type: "band", domain: names(), range: "height" }, ...allocScales()],
      axes: [{ orient: "bottom", scale: "x", tickCount: 4, grid: true, format: "~s" }, { orient: "left", scale: "y", domain: false, ticks: false, labelColor: css("--ink") }],
      marks,
    };
  }

  function scatterSpec(rows) {
    const values = [];
    for (const row of rows)
      row.cells.forEach((c, i) => {
        if (finite(c.ops) && finite(c.rssKib) && c.rssKib > 0)
          values.push({ alloc: names()[i], ops: c.ops, rss: c.rssKib / 1024, tip: row.name + "\n" + names()[i] + ": " + rate(c.ops) + "/s, peak " + bytes(c.rssKib * 1024) + " for " + bytes(c.liveBytes) + " live" });
      });
    return {
      $schema: "https://vega.github.io/schema/vega/v5.json", width: 820, height: 380, padding: 4, autosize: "pad",
      data: [{ name: "cells", values }],
      scales: [
        { name: "x", type: "log", domain: { data: "cells", field: "rss" }, range: "width", nice: true },
        { name: "y", type: "log", domain: { data: "cells", field: "ops" }, range: "height", nice: true }, ...allocScales(),
      ],
      axes: [
        { orient: "bottom", scale: "x", grid: true, title: "peak resident memory, MiB", tickCount: 6, format: "~g", labelOverlap: true },
        { orient: "left", scale: "y", grid: true, title: "operations per second", tickCount: 6, format: "~s", labelOverlap: true },
      ],
      legends: [legend],
      marks: [{ type: "symbol", from: { data: "cells" }, encode: { enter: { x: { scale: "x", field: "rss" }, y: { scale: "y", field: "ops" }, size: { value: 90 }, shape: { scale: "shape", field: "alloc" }, fill: { scale: "colour", field: "alloc" }, fillOpacity: { value: 0.85 }, tooltip: { field: "tip" } } } }],
    };
  }

  function linesSpec(values, x, y) {
    return {
      $schema: "https://vega.github.io/schema/vega/v5.json", width: 820, height: 320, padding: 4, autosize: "pad",
      data: [{ name: "points", values }],
      scales: [x.scale, y.scale, ...allocScales(), { name: "dash", type: "ordinal", domain: names(), range: [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [12, 4], [1, 3], [6, 2, 1, 2]] }],
      axes: [x.axis, y.axis],
      legends: [{ stroke: "colour", strokeDash: "dash", orient: "right", symbolType: "stroke", encode: { symbols: { enter: { strokeWidth: { value: 2.5 }, size: { value: 400 } } } } }],
      marks: [{
        type: "group", from: { facet: { name: "line", data: "points", groupby: "alloc" } },
        marks: [{ type: "line", from: { data: "line" }, encode: { enter: { x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" }, stroke: { scale: "colour", field: "alloc" }, strokeDash: { scale: "dash", field: "alloc" }, strokeWidth: { value: 2 }, tooltip: { field: "tip" } } } }],
      }],
    };
  }
  function curvesSpec(rowName) {
    const values = [];
    for (const [alloc, points] of Object.entries(run.curves[rowName] || {}))
      for (const [t, kib] of points) values.push({ alloc, x: t, y: kib / 1024, tip: alloc + ": " + bytes(kib * 1024) });
    const tops = Object.values(run.curves[rowName] || {}).map((points) => Math.max(0, ...points.map((p) => p[1]))).filter((kib) => kib > 0);
    const wide = tops.length > 1 && Math.max(...tops) > 20 * Math.min(...tops) && values.every((v) => v.y > 0);
    return linesSpec(values,
      { scale: { name: "x", domain: { data: "points", field: "x" }, range: "width", nice: true }, axis: { orient: "bottom", scale: "x", title: "seconds since the start", grid: true } },
      { scale: Object.assign({ name: "y", domain: { data: "points", field: "y" }, range: "height", nice: true }, wide ? { type: "log" } : { zero: true }), axis: { orient: "left", scale: "y", title: "resident memory, MiB", grid: true, tickCount: 6, format: "~g", labelOverlap: true } });
  }
  const percentiles = ["p50", "p99", "p99.9", "p99.99", "max"];
  function latencySpec(row) {
    const values = [];
    row.cells.forEach((c, i) => (c.latencyNs || []).forEach((ns, p) => {
      if (finite(ns) && ns > 0) values.push({ alloc: names()[i], x: percentiles[p], y: ns, tip: names()[i] + " " + percentiles[p] + ": " + ns.toFixed(0) + " ns" });
    }));
    return linesSpec(values,
      { scale: { name: "x", type: "point", domain: percentiles, range: "width", padding: 0.3 }, axis: { orient: "bottom", scale: "x", grid: true } },
      { scale: { name: "y", type: "log", domain: { data: "points", field: "y" }, range: "height", nice: true }, axis: { orient: "left", scale: "y", title: "nanoseconds", grid: true, tickCount: 6, format: "~s", labelOverlap: true } });
  }

  /* ---- words and tables ---- */

  function tally(i) {
    const cells = run.rows.map((r) => r.cells[i]);
    const count = (verdict) => cells.filter((c) => c.verdict === verdict).length;
    const rss = run.rows.map((r) => {
      const peers = r.cells.filter((c, k) => run.allocs[k].peer).map((c) => c.rssKib).filter(finite);
      return peers.length && finite(r.cells[i].rssKib) ? r.cells[i].rssKib / Math.min(...peers) : NaN;
    });
    return { faster: count("faster"), same: count("no difference seen"), slower: count("slower"), ratio: geometric(cells.map((c) => c.ratio)), rss: median(rss), failed: cells.reduce((n, c) => n + c.failed, 0), invalid: cells.reduce((n, c) => n + c.invalid, 0), rows: cells.filter((c) => finite(c.ratio)).length };
  }

  function conclusion() {
    const cards = at("cards"), headline = at("headline"), mine = ours();
    cards.replaceChildren();
    headline.replaceChildren();
    for (const i of mine.length ? mine : names().map((n, k) => k)) {
      const t = tally(i);
      cards.append(element("div", { class: "card" },
        element("h3", {}, names()[i]),
        element("div", { class: "big " + (t.ratio >= 1 ? "good" : "bad") }, times(t.ratio)),
        element("div", { class: "quiet" }, "the best peer of each row, geometric mean of " + t.rows + " rows"),
        element("div", {}, t.faster + " faster · " + t.same + " no difference · " + t.slower + " slower"),
        element("div", {}, finite(t.rss) ? "peak RSS " + times(t.rss) + " the leanest peer's, median" : ""),
        element("div", { class: "bad" }, (t.failed ? t.failed + " cells failed " : "") + (t.invalid ? t.invalid + " cells invalid" : ""))));
    }
    if (!mine.length) {
      headline.textContent = "Peers alone: every ratio is to the fastest of each row.";
      return;
    }
    if (mine.every((i) => tally(i).faster + tally(i).same + tally(i).slower === 0)) {
      headline.textContent = "Too few rounds for a verdict: the ratios below show a direction at most.";
      return;
    }
    const best = mine.reduce((a, b) => (tally(b).ratio > tally(a).ratio ? b : a), mine[0]), t = tally(best);
    headline.append(element("b", {}, names()[best]),
      " is faster than the best peer in " + t.faster + " of " + t.rows + " rows, slower in " + t.slower +
      ", and no difference is seen in " + t.same + ". Over all rows it runs at " + times(t.ratio) + " the speed of each row's best peer" +
      (finite(t.rss) ? ", with " + times(t.rss) + " the peak memory of the leanest." : "."));
  }

  function cautions() {
    const list = at("cautions"), plan = run.meta.plan || {}, say = (text) => list.append(element("li", {}, text));
    list.replaceChildren();
    const rounds = Math.max(0, ...run.rows.flatMap((r) => r.cells.map((c) => c.rounds)));
    if (rounds === 1) say("One round has no interval: it says nothing about who is faster.");
    else if (rounds > 0 && rounds < 6) say("Only " + rounds + " rounds: an interval is the range of the ratios and holds the true median with " + (100 * (1 - 2 * 0.5 ** rounds)).toFixed(0) + " % probability, not 95 %.");
    if (plan.short_args) say("A quick run: short rings and short cells. It shows the direction; a --record run is for quoting.");
    if (plan.linked) say("Linked: each workload has the allocator's static library inside; nothing is preloaded.");
    if (run.otherCpuPct > 5) say("Other programs used " + run.otherCpuPct.toFixed(0) + " % of the machine during the median cell.");
    for (const note of new Set(run.meta.notes || []))
      if (note.startsWith("hardware counters: ")) say("No hardware counters on this machine (" + note.slice(19) + ").");
    const cold = [...new Set(run.rows.filter((r) => r.cells.some((c) => c.cold)).map((r) => r.name))];
    if (cold.length) say("The warm-up was cut short, so that these rows measure start-up as well (marked * below): " + cold.join(", ") + ".");
    if (!run.meta.finished) say("The run did not finish.");
    for (const text of plan.left_out || []) say("Left out: " + text + ".");
  }

  function provenance() {
    const place = at("provenance"), meta = run.meta, machine = meta.machine || {};
    place.replaceChildren();
    const table = element("table", {}, element("tr", {}, ...["allocator", "SHA-256", "from", "compiler", "proof"].map((h) => element("th", { class: "text" }, h))));
    for (const c of meta.contenders || [])
      table.append(element("tr", {}, element("td", {}, c.name + (c.setting ? " with " + c.setting : "")), element("td", { class: "text" }, element("code", {}, c.sha256)), element("td", { class: "text" }, element("code", {}, c.source)), element("td", { class: "text" }, c.compiler || "–"), element("td", { class: "text wide" }, c.proof)));
    place.append(element("p", {}, "Command: ", element("code", {}, (meta.command || []).join(" ")), " · seed " + ((meta.plan || {}).seed) + " · started " + meta.started + (meta.revision ? " · revision " + meta.revision.commit + (meta.revision.dirty ? " with changes" : "") : "")),
      element("details", {}, element("summary", {}, "Shared objects and their proofs"), element("div", { class: "scroll" }, table)),
      element("details", {}, element("summary", {}, "Machine"), element("pre", {}, JSON.stringify(machine, null, 2))),
      element("details", {}, element("summary", {}, "Conditions before each row, plan and notes"), element("pre", {}, JSON.stringify({ conditions: meta.conditions, plan: meta.plan, notes: meta.notes }, null, 2))));
  }

  function figures() {
    const place = at("figures");
    place.replaceChildren();
    for (const row of run.rows) {
      const table = element("table", {}, element("tr", {}, ...["allocator", "ops/s", "spread", "ratio", "95 % interval", "verdict", "peak RSS", "live", "RSS/live", "RSS after", "remote", "faults", "user s", "sys s"].map((h) => element("th", {}, h))));
      row.cells.forEach((c, i) => table.append(element("tr", {}, ...[names()[i], rate(c.ops), finite(c.spread) ? "±" + (100 * c.spread).toFixed(1) + " %" : "", times(c.ratio), interval(c.ratioInterval), c.verdict + (c.note ? "; " + c.note : "") + warmth(c), bytes(c.rssKib * 1024), bytes(c.liveBytes), finite(c.rssPerLive) ? c.rssPerLive.toFixed(2) : "–", bytes(c.afterKib * 1024), finite(c.remotePct) ? c.remotePct.toFixed(1) + " %" : "", finite(c.faults) ? c.faults.toFixed(0) : "", finite(c.userS) ? c.userS.toFixed(2) : "", finite(c.sysS) ? c.sysS.toFixed(2) : ""].map((text) => element("td", {}, text)))));
      place.append(element("details", {}, element("summary", {}, row.name), element("p", { class: "quiet" }, row.plan ? row.plan.workload + " " + row.plan.args + ", touch " + row.plan.touch : ""), element("div", { class: "scroll" }, table)));
    }
    const raw = element("details", {}, element("summary", {}, "Raw cells (" + (run.raw.length - 1) + ")"));
    raw.addEventListener("toggle", () => {
      if (!raw.open || raw.querySelector("table")) return;
      const table = element("table", {});
      run.raw.forEach((line, i) => table.append(element("tr", {}, ...line.map((v) => element(i ? "td" : "th", {}, v === null ? "" : typeof v === "number" && !Number.isInteger(v) ? v.toPrecision(6) : String(v))))));
      raw.append(element("div", { class: "scroll" }, table));
    });
    place.append(raw);
  }

  function kernelCalls() {
    const place = at("calls"), list = run.meta.os_calls || [];
    at("calls-section").hidden = !list.length;
    place.replaceChildren();
    const table = element("table", {}, element("tr", {}, element("th", { class: "text" }, "row"), ...names().map((n) => element("th", {}, n))));
    for (const row of new Set(list.map((c) => c.row)))
      table.append(element("tr", {}, element("td", {}, row), ...names().map((name) => {
        const c = list.find((x) => x.row === row && x.alloc === name);
        if (!c) return element("td", {}, "–");
        return element("td", { class: c.rate > 1e-6 ? "bad" : "good", title: c.word }, c.rate > 0 ? c.rate.toExponential(1) : "0 in " + rate(c.ops));
      })));
    place.append(element("div", { class: "scroll" }, table));
  }

  function machines() {
    at("machines-section").hidden = data.runs.length < 2;
    const place = at("machines");
    place.replaceChildren();
    if (data.runs.length < 2) return;
    const machineOf = (r) => ((r.meta.machine || {}).host || r.name) + ", " + (((r.meta.machine || {}).cpu || {}).online || "?") + " CPUs";
    const label = (r) => machineOf(r) + (data.runs.filter((x) => machineOf(x) === machineOf(r)).length > 1 ? " (" + r.name + ")" : "");
    const keys = [...new Set(data.runs.flatMap((r) => r.rows.map((row) => row.name)))];
    const allocs = [...new Set(data.runs.flatMap((r) => r.allocs.map((a) => a.name)))];
    const table = element("table", {}, element("tr", {}, element("th", { class: "text" }, "row"), element("th", { class: "text" }, "allocator"), ...data.runs.map((r) => element("th", {}, label(r)))));
    for (const key of keys)
      for (const alloc of allocs) {
        const cells = data.runs.map((r) => {
          const row = r.rows.find((x) => x.name === key), i = r.allocs.findIndex((a) => a.name === alloc);
          return row && i >= 0 ? row.cells[i] : null;
        });
        if (cells.some((c) => c && finite(c.ratio)))
          table.append(element("tr", {}, element("td", {}, key), element("td", { class: "text" }, alloc), ...cells.map((c) => element("td", {}, c && finite(c.ratio) ? times(c.ratio) + " " + interval(c.ratioInterval) : "–"))));
      }
    place.append(element("div", { class: "scroll" }, table));
  }

  /* ---- the page ---- */

  function options(select, list, keep) {
    const chosen = keep && list.includes(select.value) ? select.value : list[0];
    select.replaceChildren(...list.map((name) => element("option", { value: name }, name)));
    if (chosen) select.value = chosen;
  }
  function redraw(id, spec) {
    const place = at(id);
    place.replaceChildren();
    draw(place, spec);
  }
  const everyRow = "all rows";
  function drawScatter() {
    const chosen = at("scatter-rows").value;
    redraw("scatter", scatterSpec(chosen === everyRow ? run.rows : run.rows.filter((r) => r.name === chosen)));
  }
  const drawCurves = () => redraw("curves", curvesSpec(at("curve-row").value));
  function drawLatency() {
    const row = run.rows.find((r) => r.name === at("latency-row").value);
    if (!row) return;
    redraw("latency", latencySpec(row));
    at("latency-cost").textContent = "What the timing costs: the pass ran at " + row.cells.map((c, i) => (finite(c.timedOps) && c.ops > 0 ? names()[i] + " " + (c.timedOps / c.ops).toFixed(2) : "")).filter(Boolean).join(", ") + " of full speed.";
  }

  function show() {
    while (views.length) views.pop().finalize();
    const machine = run.meta.machine || {}, cpu = machine.cpu || {};
    at("machine").textContent = [cpu.model, cpu.online && cpu.online + " CPUs", machine.kernel && "Linux " + machine.kernel, machine.libc, run.meta.started, run.name].filter(Boolean).join(" · ");
    conclusion();
    cautions();
    redraw("matrix", matrixSpec());
    at("throughput").replaceChildren();
    for (const row of run.rows) {
      const place = element("div", {});
      at("throughput").append(element("figure", {}, element("figcaption", {}, row.name, element("span", {}, "  " + (row.plan && row.plan.touch !== "none" ? "touched" : ""))), place));
      draw(place, throughputSpec(row));
    }
    const curved = run.rows.map((r) => r.name).filter((n) => run.curves[n]);
    const timed = run.rows.filter((r) => r.cells.some((c) => c.latencyNs)).map((r) => r.name);
    options(at("scatter-rows"), [everyRow, ...run.rows.map((r) => r.name)], true);
    options(at("curve-row"), curved, true);
    options(at("latency-row"), timed, true);
    at("curves-section").hidden = !curved.length;
    at("latency-section").hidden = !timed.length;
    drawScatter();
    if (curved.length) drawCurves();
    if (timed.length) drawLatency();
    provenance();
    figures();
    kernelCalls();
    machines();
  }

  at("run-choice").hidden = data.runs.length < 2;
  options(at("run"), data.runs.map((r, i) => i + 1 + ": " + ((r.meta.machine || {}).host || "") + " " + r.name), false);
  at("run").addEventListener("change", () => { run = data.runs[at("run").selectedIndex]; show(); });
  at("scatter-rows").addEventListener("change", drawScatter);
  at("curve-row").addEventListener("change", drawCurves);
  at("latency-row").addEventListener("change", drawLatency);
  dark.addEventListener("change", show);
  show();
  document.documentElement.dataset.ready = "yes";
})();
