"use strict";
// Canvas charts over one shared time window, with words for units and times. No network, no library.

const HOUR = 3600, DAY = 24 * HOUR;
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const byId = id => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) key in node ? (node[key] = value) : node.setAttribute(key, value);
  node.append(...children);
  return node;
};

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text.trim()), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

const two = n => String(n).padStart(2, "0");
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const clockTime = s => { const d = new Date(s * 1000); return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`; };
const dayName = s => { const d = new Date(s * 1000); return `${WEEKDAYS[d.getUTCDay()]} ${d.getUTCDate()}.${d.getUTCMonth() + 1}.`; };
const cents = ueurKwh => ueurKwh === null || ueurKwh === undefined ? "none" : `${(ueurKwh / 1e4).toFixed(2)} ct/kWh`;
const euro = value => value === null || value === undefined ? "n/a" : `${value.toFixed(2)} €`;
const kwh = wh => `${(wh / 1000).toFixed(2)} kWh`;
const watts = w => Math.abs(w) >= 10000 ? `${(w / 1000).toFixed(1)} kW` : `${Math.round(w)} W`;
const percent = share => share === null || share === undefined ? "n/a" : `${(share * 100).toFixed(1)} %`;

class TimeWindow {
  // Opens on as many days as can be read at this width; the buttons show the rest.
  constructor(data) {
    const days = innerWidth < 700 ? 2 : 7;
    this.data = data; this.from = 0; this.to = Math.min(data.slots, Math.round(days * DAY / data.slot_s)); this.charts = [];
  }
  set(from, to) {
    const width = Math.max(8, Math.min(this.data.slots, to - from));
    this.from = Math.max(0, Math.min(this.data.slots - width, Math.round(from)));
    this.to = Math.min(this.data.slots, Math.round(this.from + width));
    this.draw();
  }
  zoom(factor, center = (this.from + this.to) / 2) {
    const width = (this.to - this.from) * factor, share = (center - this.from) / (this.to - this.from);
    this.set(center - width * share, center - width * share + width);
  }
  move(share) { const step = (this.to - this.from) * share; this.set(this.from + step, this.to + step); }
  command(word) {
    const perDay = DAY / this.data.slot_s;
    if (word === "all") this.set(0, this.data.slots);
    else if (word === "day") this.set(this.from, this.from + perDay);
    else if (word === "week") this.set(this.from, this.from + 7 * perDay);
    else if (word === "earlier") this.move(-0.5);
    else if (word === "later") this.move(0.5);
    else if (word === "in") this.zoom(0.5);
    else if (word === "out") this.zoom(2);
  }
  timeOf(slot) { return this.data.t0_s + slot * this.data.slot_s; }
  draw() {
    const a = this.timeOf(this.from), b = this.timeOf(this.to);
    byId("window").textContent = `${dayName(a)} ${clockTime(a)} to ${dayName(b)} ${clockTime(b)} UTC`;
    for (const chart of this.charts) chart.draw();
  }
}

// A chart over the shared window. `layers` are drawn in order: {kind: line|step|area|stack|bars|band, values, color, label, format}.
class Chart {
  constructor(host, view, options) {
    Object.assign(this, { view, margin: { left: 52, right: 8, top: 8, bottom: 20 }, height: 190, shades: [] }, options);
    this.host = host;
    this.canvas = make("canvas", { tabIndex: 0, role: "img", ariaLabel: options.label });
    host.replaceChildren(this.canvas);
    if (!this.bare) host.append(this.legend());
    view.charts.push(this);
    this.listen();
  }
  legend() {
    const entries = this.layers.filter(layer => layer.label).map(layer =>
      make("span", {}, make("i", { style: `background:${css(layer.color)}` }), layer.label));
    return make("div", { className: "legend" }, ...entries);
  }
  listen() {
    const canvas = this.canvas, slotAt = event => {
      const box = canvas.getBoundingClientRect(), { left, right } = this.margin;
      return this.view.from + (event.clientX - box.left - left) / (box.width - left - right) * (this.view.to - this.view.from);
    };
    canvas.addEventListener("pointerdown", event => { this.dragFrom = slotAt(event); });
    canvas.addEventListener("pointermove", event => { this.hover(slotAt(event), event); });
    canvas.addEventListener("click", event => this.hover(slotAt(event), event));
    canvas.addEventListener("pointerup", event => {
      const to = slotAt(event), from = this.dragFrom;
      this.dragFrom = undefined;
      if (from !== undefined && Math.abs(to - from) > (this.view.to - this.view.from) / 80)
        this.view.set(Math.min(from, to), Math.max(from, to));
      else this.draw();
    });
    for (const end of ["pointerleave", "pointercancel"])
      canvas.addEventListener(end, () => { this.dragFrom = this.drag = this.mark = undefined; hideTip(); this.draw(); });
    canvas.addEventListener("dblclick", () => this.view.command("all"));
    canvas.addEventListener("wheel", event => {
      if (!event.ctrlKey && !event.shiftKey) return;
      event.preventDefault();
      this.view.zoom(event.deltaY > 0 ? 1.25 : 0.8, slotAt(event));
    }, { passive: false });
    canvas.addEventListener("keydown", event => {
      const word = { ArrowLeft: "earlier", ArrowRight: "later", "+": "in", "-": "out", Home: "all" }[event.key];
      if (word) { event.preventDefault(); this.view.command(word); }
    });
  }
  hover(position, event) {
    const slot = Math.floor(position);
    if (slot < this.view.from || slot >= this.view.to) return hideTip();
    this.mark = slot;
    this.drag = this.dragFrom === undefined ? undefined : [this.dragFrom, position];
    this.draw();
    const lines = this.layers.filter(layer => layer.label && layer.kind !== "band").map(layer => [layer, layer.values[slot]]);
    showTip(event, this.view.timeOf(slot), lines.map(([layer, value]) =>
      [css(layer.color), `${layer.label}: ${value === null || value === undefined ? "none" : this.format(Math.abs(value) < 1e-9 ? 0 : value)}`]),
      this.note ? this.note(slot) : "");
    if (this.onHover) this.onHover(slot);
  }
  // Lowest and highest value to show: the layers' own, zero where bars or piles stand on it, and the fixed bounds if given.
  range() {
    let low = this.low ?? (this.fromZero ? 0 : Infinity), high = this.high ?? (this.fromZero ? 0 : -Infinity);
    const include = value => { if (value !== null && value !== undefined) { low = Math.min(low, value); high = Math.max(high, value); } };
    for (let slot = this.view.from; slot < this.view.to; slot++) {
      let up = 0, down = 0;
      for (const layer of this.layers) {
        const value = layer.values[slot];
        if (layer.kind === "stack") { if (value > 0) up += value; else down += value || 0; continue; }
        include(value);
        if (layer.lower) include(layer.lower[slot]);
      }
      if (up || down) { include(up); include(down); }
    }
    if (!isFinite(low)) low = 0;
    if (!isFinite(high) || high <= low) high = low + 1;
    const pad = (high - low) * 0.06;
    return [low === 0 ? 0 : low - pad, high + pad];
  }
  draw() {
    const canvas = this.canvas, ratio = window.devicePixelRatio || 1, width = this.host.clientWidth - (this.bare ? 0 : 12);
    if (width <= 0) return;
    canvas.width = width * ratio; canvas.height = this.height * ratio; canvas.style.height = `${this.height}px`;
    const g = canvas.getContext("2d"), { left, right, top, bottom } = this.margin;
    g.scale(ratio, ratio);
    const [low, high] = this.range();
    const x = slot => left + (slot - this.view.from) / (this.view.to - this.view.from) * (width - left - right);
    const y = value => top + (high - value) / (high - low) * (this.height - top - bottom);
    const plot = { g, x, y, low, high, width, left, right, top, bottom };
    this.drawShades(plot);
    if (!this.bare) this.drawAxes(plot);
    g.save(); g.beginPath(); g.rect(left, 0, width - left - right, this.height); g.clip();
    this.up = new Float64Array(this.view.to - this.view.from); this.down = new Float64Array(this.view.to - this.view.from);
    for (const layer of this.layers) this.drawLayer(plot, layer);
    g.restore();
    if (this.mark !== undefined && this.mark >= this.view.from) {
      g.strokeStyle = css("--soft"); g.beginPath(); g.moveTo(x(this.mark + 0.5), top); g.lineTo(x(this.mark + 0.5), this.height - bottom); g.stroke();
    }
    if (this.drag) { g.fillStyle = css("--band"); g.fillRect(x(this.drag[0]), top, x(this.drag[1]) - x(this.drag[0]), this.height - top - bottom); }
    this.host.dataset.drawn = "1";
  }
  drawShades({ g, x, top, bottom }) {
    g.fillStyle = css("--shade");
    for (const [from, to] of this.shades) g.fillRect(x(from), top, x(to) - x(from), this.height - top - bottom);
  }
  drawAxes({ g, x, y, low, high, width, left, right, bottom }) {
    g.font = "11px system-ui, sans-serif"; g.strokeStyle = css("--line"); g.fillStyle = css("--soft"); g.lineWidth = 1;
    const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map(m => m * power).find(s => s >= rough) || rough;
    g.textAlign = "right"; g.textBaseline = "middle";
    for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
      g.beginPath(); g.moveTo(left, y(value)); g.lineTo(width - right, y(value)); g.stroke();
      g.fillText(this.axis(Math.abs(value) < step / 1e6 ? 0 : value), left - 5, y(value));
    }
    const span = (this.view.to - this.view.from) * this.view.data.slot_s, room = (width - left - right) / 70;
    const every = [HOUR / 4, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY].find(s => span / s <= room) || 14 * DAY;
    g.textAlign = "center"; g.textBaseline = "top";
    const first = Math.ceil(this.view.timeOf(this.view.from) / every) * every;
    for (let time = first; time <= this.view.timeOf(this.view.to); time += every) {
      const at = x((time - this.view.data.t0_s) / this.view.data.slot_s);
      g.beginPath(); g.moveTo(at, this.height - bottom); g.lineTo(at, this.height - bottom + 4); g.stroke();
      g.fillText(time % DAY === 0 ? dayName(time) : clockTime(time), Math.max(left + 18, Math.min(width - right - 22, at)), this.height - bottom + 5);
    }
  }
  drawLayer({ g, x, y }, layer) {
    const { from, to } = this.view, wide = Math.max(1, x(from + 1) - x(from) + 0.3);
    g.fillStyle = css(layer.color); g.strokeStyle = css(layer.color); g.lineWidth = layer.width || 1.4;
    if (layer.kind === "band") {
      g.beginPath();
      for (let slot = from; slot < to; slot++) { g.lineTo(x(slot), y(layer.values[slot])); g.lineTo(x(slot + 1), y(layer.values[slot])); }
      for (let slot = to - 1; slot >= from; slot--) { g.lineTo(x(slot + 1), y(layer.lower[slot])); g.lineTo(x(slot), y(layer.lower[slot])); }
      g.fill();
    } else if (layer.kind === "stack") {
      for (let slot = from; slot < to; slot++) {
        const value = layer.values[slot] || 0, pile = value > 0 ? this.up : this.down, base = pile[slot - from];
        pile[slot - from] = base + value;
        g.fillRect(x(slot), Math.min(y(base), y(base + value)), wide, Math.abs(y(base + value) - y(base)));
      }
    } else if (layer.kind === "bars") {
      for (let slot = from; slot < to; slot++) {
        const value = layer.values[slot] || 0;
        g.fillRect(x(slot), Math.min(y(0), y(value)), wide, Math.abs(y(value) - y(0)));
      }
    } else {
      g.beginPath();
      let open = false;
      for (let slot = from; slot < to; slot++) {
        const value = layer.values[slot];
        if (value === null || value === undefined) { open = false; continue; }
        if (open) g.lineTo(x(slot), y(value)); else g.moveTo(x(slot), y(value));
        if (layer.kind === "step") g.lineTo(x(slot + 1), y(value));
        open = true;
      }
      g.stroke();
    }
  }
}

function showTip(event, time, lines, note) {
  const tip = byId("tip");
  tip.replaceChildren(make("b", {}, `${dayName(time)} ${clockTime(time)} UTC`),
    ...lines.map(([color, text]) => make("div", {}, make("i", { style: `background:${color}` }), text)),
    ...(note ? [make("div", { className: "why" }, note)] : []));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(6, Math.min(innerWidth - box.width - 8, event.clientX + 14))}px`;
  tip.style.top = `${Math.max(6, Math.min(innerHeight - box.height - 8, event.clientY + 16))}px`;
}
function hideTip() { byId("tip").hidden = true; }
