"use strict";
// A cartoon of a chain on a 2-D canvas: ribbons for helices and strands, a tube for the rest, nearest drawn last.
const Viewer = (() => {
  const STEPS = 5;  // pieces of ribbon between two residues
  const WIDTH = { H: 1.45, E: 1.15, C: 0 };  // half widths in Angstrom
  const add = (a, b, s = 1) => [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]];
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const unit = (a) => { const n = Math.hypot(...a) || 1; return [a[0] / n, a[1] / n, a[2] / n]; };

  // Catmull-Rom: passes through all points
  const spline = (p, i, t) => {
    const at = (k) => p[Math.max(0, Math.min(p.length - 1, k))];
    const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    return [0, 1, 2].map((k) => 0.5 * (2 * b[k] + (c[k] - a[k]) * t + (2 * a[k] - 5 * b[k] + 4 * c[k] - d[k]) * t * t
      + (3 * b[k] - a[k] - 3 * c[k] + d[k]) * t * t * t));
  };

  // Across the ribbon: the normal of three alpha carbons lies along a helix and in the sheet of a strand.
  const across = (p) => {
    const w = p.map((q, i) => {
      const k = Math.max(1, Math.min(p.length - 2, i));
      return p.length < 3 ? [0, 1, 0] : unit(cross(add(p[k], p[k - 1], -1), add(p[k + 1], p[k], -1)));
    });
    for (let i = 1; i < w.length; i++) if (dot(w[i], w[i - 1]) < 0) w[i] = w[i].map((x) => -x);
    return w.map((q, i) => unit(add(add(q, w[Math.max(0, i - 1)]), w[Math.min(w.length - 1, i + 1)])));
  };

  // A strand of a residue or two is no ribbon; strands are smoothed, because they zigzag.
  const smooth = (p, ss) => p.map((q, i) => (ss[i] === "E" && i > 0 && i < p.length - 1)
    ? q.map((x, k) => 0.5 * x + 0.25 * (p[i - 1][k] + p[i + 1][k])) : q);

  const halfWidth = (ss, i, t) => {
    const here = ss[i], next = ss[Math.min(i + 1, ss.length - 1)];
    if (here === "E" && next === "E" && ss[Math.min(i + 2, ss.length - 1)] !== "E") return 2.0 * (1 - t) + 0.1;
    if (here === next) return WIDTH[here];
    return WIDTH[here] * (1 - t) + WIDTH[next] * t;
  };

  function build(points, ss) {
    const p = smooth(points, ss), w = across(p), sections = [];
    for (let i = 0; i < p.length - 1; i++) {
      for (let s = 0; s < STEPS; s++) {
        const t = s / STEPS, width = halfWidth(ss, i, t);
        sections.push({ at: spline(p, i, t), w: unit(add(w[i].map((x) => x * (1 - t)), w[i + 1], t)), width,
          residue: t < 0.5 ? i : i + 1 });
      }
    }
    const last = p.length - 1;
    sections.push({ at: p[last], w: w[last], width: 0, residue: last });
    return sections;
  }

  const channels = (colour) => colour.match(/\w\w/g).map((x) => parseInt(x, 16));
  const mix = (a, b, t) => `rgb(${a.map((x, k) => Math.round(x + (b[k] - x) * t)).join(",")})`;

  class View {
    // chain: {points: [[x, y, z]], ss: "HEC..."}; colours: one "#rrggbb" for each residue
    constructor(canvas, chain, colours, background) {
      this.canvas = canvas;
      this.turn = [1, 0, 0, 0, 1, 0, 0, 0, 1];
      this.zoom = 1;
      this.show(chain, colours, background);
    }

    show(chain, colours, background) {
      this.colours = colours.map(channels);
      this.background = channels(background);
      this.sections = build(chain.points, chain.ss);
      this.radius = this.radius || Math.max(6, ...chain.points.map((q) => Math.hypot(...q))) + 1.5;
      this.draw();
    }

    rotate(dx, dy) {
      const [a, b] = [dx * 0.01, dy * 0.01], m = this.turn;
      const y = [Math.cos(a), 0, Math.sin(a), 0, 1, 0, -Math.sin(a), 0, Math.cos(a)];
      const x = [1, 0, 0, 0, Math.cos(b), -Math.sin(b), 0, Math.sin(b), Math.cos(b)];
      const times = (p, q) => p.map((_, k) => [0, 1, 2].reduce((s, j) => s + p[3 * Math.floor(k / 3) + j] * q[3 * j + k % 3], 0));
      this.turn = times(times(x, y), m);
      this.draw();
    }

    draw() {
      const size = Math.max(1, Math.round(this.canvas.clientWidth * (window.devicePixelRatio || 1)));
      if (this.canvas.width !== size) this.canvas.width = this.canvas.height = size;
      const g = this.canvas.getContext("2d"), m = this.turn, scale = 0.5 * size * this.zoom / this.radius;
      const spin = (v) => [m[0] * v[0] + m[1] * v[1] + m[2] * v[2], m[3] * v[0] + m[4] * v[1] + m[5] * v[2],
        m[6] * v[0] + m[7] * v[1] + m[8] * v[2]];
      const put = (v) => [size / 2 + scale * v[0], size / 2 - scale * v[1]];
      const s = this.sections.map((x) => ({ ...x, at: spin(x.at), w: spin(x.w) }));
      const pieces = s.slice(1).map((b, k) => ({ a: s[k], b, z: s[k].at[2] + b.at[2] })).sort((p, q) => p.z - q.z);
      g.clearRect(0, 0, size, size);
      g.lineJoin = "round";
      for (const { a, b, z } of pieces) {
        const away = Math.min(1, Math.max(0, 0.5 - z / (4 * this.radius)));  // 0 near, 1 far
        const base = this.colours[a.residue];
        if (Math.max(a.width, b.width) < 0.3) this.tube(g, put(a.at), put(b.at), scale, base, away);
        else this.ribbon(g, a, b, put, scale, base, away);
      }
    }

    tube(g, from, to, scale, base, away) {
      // the outline ends flat, or every piece would draw a ring around the end of the one before
      for (const [width, cap, colour] of [[0.95, "butt", mix(base.map((x) => x * 0.45), this.background, 0.6 * away)],
        [0.62, "round", mix(base, this.background, 0.6 * away)]]) {
        g.beginPath(); g.moveTo(...from); g.lineTo(...to); g.lineCap = cap;
        g.lineWidth = Math.max(1, width * scale); g.strokeStyle = colour; g.stroke();
      }
    }

    ribbon(g, a, b, put, scale, base, away) {
      const [wa, wb] = [Math.max(a.width, 0.3), Math.max(b.width, 0.3)];
      const corners = [add(a.at, a.w, wa), add(b.at, b.w, wb), add(b.at, b.w, -wb), add(a.at, a.w, -wa)];
      const normal = unit(cross(add(b.at, a.at, -1), a.w));
      const light = 0.5 + 0.5 * Math.abs(dot(normal, unit([0.25, 0.45, 0.86])));
      const flat = corners.map(put), colour = mix(base.map((x) => x * light), this.background, 0.6 * away);
      g.beginPath(); flat.forEach((q, k) => (k ? g.lineTo(...q) : g.moveTo(...q))); g.closePath();
      g.fillStyle = g.strokeStyle = colour; g.lineWidth = Math.max(0.6, 0.28 * scale); g.fill(); g.stroke();
      g.strokeStyle = mix(base.map((x) => x * 0.42), this.background, 0.6 * away);
      g.lineWidth = Math.max(0.8, 0.16 * scale);
      for (const [p, q] of [[flat[0], flat[1]], [flat[2], flat[3]]]) {
        g.beginPath(); g.moveTo(...p); g.lineTo(...q); g.stroke();
      }
    }

    // mouse, pen and touch: one pointer turns, two pinch, the wheel zooms
    listen() {
      const held = new Map();
      const spread = () => { const [p, q] = [...held.values()]; return Math.hypot(p[0] - q[0], p[1] - q[1]); };
      this.canvas.onpointerdown = (e) => { held.set(e.pointerId, [e.clientX, e.clientY]); this.canvas.setPointerCapture(e.pointerId); };
      this.canvas.onpointerup = this.canvas.onpointercancel = (e) => held.delete(e.pointerId);
      this.canvas.onpointermove = (e) => {
        if (!held.has(e.pointerId)) return;
        const before = held.size === 2 ? spread() : 0, [x, y] = held.get(e.pointerId);
        held.set(e.pointerId, [e.clientX, e.clientY]);
        if (held.size === 2) { this.zoom = Math.min(8, Math.max(0.4, this.zoom * spread() / before)); this.draw(); }
        else this.rotate(e.clientX - x, e.clientY - y);
      };
      this.canvas.onwheel = (e) => { e.preventDefault(); this.zoom = Math.min(8, Math.max(0.4, this.zoom * Math.exp(-e.deltaY / 600))); this.draw(); };
    }
  }
  return View;
})();
