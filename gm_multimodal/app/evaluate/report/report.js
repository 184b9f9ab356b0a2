"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const make = (tag, props = {}, ...children) => { const e = Object.assign(document.createElement(tag), props); e.append(...children); return e; };
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const points = (text) => {
    const v = new Int16Array(bytes(text).buffer), list = [];
    for (let i = 0; i < v.length; i += 3) list.push([v[i] / 50, v[i + 1] / 50, v[i + 2] / 50]);
    return list;
  };
  const shown = (x) => (x === null ? "–" : typeof x === "string" ? x : Number.isInteger(x) ? String(x) : x.toPrecision(3));
  const tint = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const hex = (r, g, b) => "#" + [r, g, b].map((x) => Math.round(255 * Math.min(1, Math.max(0, x))).toString(16).padStart(2, "0")).join("");
  // dark blue over green to yellow: light and dark differ too, so that it reads in grey
  const scale = (t) => hex(0.27 - 0.5 * t + 1.1 * t * t, 0.02 + 0.95 * t, 0.36 + 0.75 * t - 1.05 * t * t);

  const colourings = {
    "secondary structure": (s) => [...s.ss].map((c) => tint({ H: "--helix", E: "--strand", C: "--coil" }[c])),
    "first to last residue": (s) => [...s.ss].map((_, i) => scale(i / Math.max(1, s.ss.length - 1))),
    "Ramachandran regions": (s) => [...s.rama].map((c) => ({ 2: "#5b8fd6", 1: "#e0a92e", 0: "#d8384a" }[c] || "#8b97a8")),
    "confidence": (s) => (s.conf ? [...bytes(s.conf)].map((x) => scale(x / 100)) : [...s.ss].map(() => "#8b97a8")),
  };
  if (!data.structures.some((s) => s.conf)) delete colourings.confidence;

  const columns = ["length", ...data.columns.map((c) => c.name)];
  const value = (s, name) => (name === "length" ? s.length : name === "name" ? s.name : s.values[columns.indexOf(name) - 1]);
  const state = { sort: "", down: false, colour: "secondary structure", open: null };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chainOf = (s) => s.chain3d || (s.chain3d = { points: points(s.ca), ss: s.ss });

  function ordered() {
    const list = data.structures.map((s, k) => [s, k]);
    if (!state.sort) return list.map(([s]) => s);
    const key = (s) => { const v = value(s, state.sort); return typeof v === "string" && v !== "" && !isNaN(v) ? Number(v) : v; };
    const sign = state.down ? -1 : 1;
    list.sort(([a, i], [b, j]) => {
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return (x === null) - (y === null) || i - j;  // empty cells last, either way
      return (x < y ? -sign : x > y ? sign : 0) || i - j;
    });
    return list.map(([s]) => s);
  }

  const watcher = new IntersectionObserver((entries) => entries.forEach(({ isIntersecting, target }) => {
    if (!isIntersecting) return;
    watcher.unobserve(target);
    const s = target.structure;
    new Viewer(target, chainOf(s), colourings[state.colour](s), tint("--card"));
  }), { rootMargin: "300px" });

  function gallery() {
    const list = ordered(), name = state.sort && state.sort !== "name" ? state.sort : "";
    const cards = list.filter((s) => s.ca).map((s) => {
      const canvas = make("canvas", { structure: s });
      const lines = [make("b", { textContent: s.name, title: s.name }), make("span", { textContent: `${s.length} residues` })];
      if (name && name !== "length") lines.push(make("span", { textContent: `${name} ${shown(value(s, name))}` }));
      const card = make("button", { className: "card", onclick: () => go({ open: s.name }) }, canvas, ...lines);
      card.dataset.name = s.name;
      return card;
    });
    $("gallery").replaceChildren(...cards);
    cards.forEach((card) => watcher.observe(card.firstChild));
    $("rows").replaceChildren(...list.map((s) => {
      const row = make("tr", { className: s.ca ? "link" : "", onclick: () => s.ca && go({ open: s.name }) }, make("td", { textContent: s.name }));
      for (const c of columns) {
        const v = value(s, c);
        row.append(make("td", { textContent: shown(v), className: v === null ? "empty" : "", title: v === null ? s.reasons[c] || "" : "" }));
      }
      return row;
    }));
    $("sort").value = state.sort;
    $("down").textContent = state.down ? "↓ high first" : "↑ low first";
  }

  // what is shown stands in the address after #, so that it can be linked to
  function go(change) {
    const next = { ...state, ...change }, words = [];
    if (next.sort) words.push(`sort=${next.down ? "-" : ""}${encodeURIComponent(next.sort)}`);
    if (next.open) words.push(`open=${encodeURIComponent(next.open)}`);
    location.hash = `#${words.join("&") || "all"}`;
    read();
  }
  let last = null;  // the browser tells of a changed address later; what go() has shown is not shown again
  function read() {
    last = location.hash;
    const words = Object.fromEntries(location.hash.slice(1).split("&").filter((w) => w.includes("=")).map((w) => w.split("=").map(decodeURIComponent)));
    const sort = words.sort || "", name = sort.replace(/^-/, "");
    const isKnown = name === "name" || columns.includes(name), before = `${state.sort} ${state.down}`;
    [state.sort, state.down] = isKnown ? [name, sort.startsWith("-")] : ["", false];
    if (`${state.sort} ${state.down}` !== before || !$("rows").children.length) gallery();
    const wanted = data.structures.find((s) => s.name === words.open && s.ca);
    state.open = wanted ? wanted.name : null;
    if (wanted) detail(wanted); else if ($("detail").open) $("detail").close();
  }

  let view = null, timer = null;
  function detail(s) {
    stop();
    $("title").textContent = s.name;
    if (!$("detail").open) $("detail").showModal();
    view = new Viewer($("view"), chainOf(s), colourings[state.colour](s), tint("--page"));
    view.listen();
    distanceMap($("map"), chainOf(s).points);
    $("sequence").replaceChildren(...[...s.sequence].map((c, i) => make("span", { textContent: c, className: s.ss[i], title: `${c}${i + 1}` })));
    $("figures").replaceChildren(...columns.map((c) => make("div", { title: s.reasons[c] || (data.columns.find((d) => d.name === c) || {}).text || "" },
      make("span", { textContent: c }), make("span", { textContent: shown(value(s, c)) }))));
    $("file").textContent = s.file;
    const frames = (Object.hasOwn(data.trajectories, s.name) ? data.trajectories[s.name] : []).map(points);
    $("play").hidden = !frames.length;
    $("frame").max = Math.max(0, frames.length - 1);
    $("frame").value = $("frame").max;
    $("frame").oninput = () => step(s, frames, Number($("frame").value));
    $("run").onclick = () => (timer ? stop() : play(s, frames));
  }
  const step = (s, frames, k) => {
    const isLast = k >= frames.length - 1;
    $("frame").value = k;
    view.show({ points: frames[k], ss: isLast ? s.ss : "C".repeat(s.ss.length) }, colourings[state.colour](s), tint("--page"));
  };
  function stop() { clearInterval(timer); timer = null; $("run").textContent = "▶ play"; }
  function play(s, frames) {
    let k = Number($("frame").value) >= frames.length - 1 ? 0 : Number($("frame").value);
    $("run").textContent = "❚❚ pause";
    timer = setInterval(() => { step(s, frames, k); if (++k >= frames.length) stop(); }, 160);
  }
  const neighbour = (by) => { const list = ordered().filter((s) => s.ca), k = list.findIndex((s) => s.name === state.open); go({ open: list[(k + by + list.length) % list.length].name }); };

  function paint(canvas, size, colour) {
    canvas.width = canvas.height = size;
    const g = canvas.getContext("2d"), image = g.createImageData(size, size);
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) {
      const c = colour(i, j);
      image.data.set([1, 3, 5].map((k) => parseInt(c.slice(k, k + 2), 16)).concat(255), 4 * (i * size + j));
    }
    g.putImageData(image, 0, 0);
  }
  const distanceMap = (canvas, p) => paint(canvas, p.length, (i, j) => scale(Math.max(0, 1 - Math.hypot(...p[i].map((x, k) => x - p[j][k])) / 30)));

  function heat() {
    const { order, scores } = data.tm;
    if (order.length < 2) return;
    const m = bytes(scores), n = order.length, at = (i, j) => m[order[i] * n + order[j]] / 255;
    paint($("heat"), n, (i, j) => scale(at(i, j)));
    const tell = (e) => {
      const box = $("heat").getBoundingClientRect();
      const [j, i] = [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height].map((x) => Math.min(n - 1, Math.max(0, Math.floor(x * n))));
      const [a, b] = [i, j].map((k) => data.structures[order[k]]);
      $("pair").textContent = `${a.name} in ${b.name}: TM ${at(i, j).toFixed(2)}, clusters ${value(a, "cluster")} and ${value(b, "cluster")}`;
    };
    $("heat").onpointermove = $("heat").onpointerdown = tell;
  }

  const option = (name) => make("option", { value: name, textContent: name });
  $("sort").append(make("option", { value: "", textContent: "order of the files" }), option("name"), ...columns.map(option));
  $("sort").onchange = () => go({ sort: $("sort").value });
  $("down").onclick = () => go({ down: !state.down });
  for (const select of document.querySelectorAll(".colour")) {
    select.append(...Object.keys(colourings).map(option));
    select.onchange = () => {
      state.colour = select.value;
      document.querySelectorAll(".colour").forEach((other) => { other.value = state.colour; });
      gallery();
      if (state.open && $("detail").open) detail(data.structures.find((s) => s.name === state.open));
    };
  }
  $("names").append(...["name", ...columns].map((c) => make("th", {}, make("button", { textContent: c, title: (data.columns.find((d) => d.name === c) || {}).text || "",
    onclick: () => go({ sort: c, down: state.sort === c ? !state.down : c !== "name" }) }))));
  $("close").onclick = () => go({ open: null });
  $("detail").onclose = () => { stop(); if (state.open) { state.open = null; go({}); } };
  $("previous").onclick = () => neighbour(-1);
  $("next").onclick = () => neighbour(1);
  addEventListener("hashchange", () => { if (location.hash !== last) read(); });
  addEventListener("resize", () => { if (view && $("detail").open) view.draw(); });
  dark.onchange = () => { gallery(); heat(); };
  read();
  heat();
  document.documentElement.dataset.ready = "yes";
})();
