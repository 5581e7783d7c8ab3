"use strict";
// Draws the report from the embedded data: one shared time window, canvas charts, no network, no library.

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
  constructor(data) {
    this.data = data; this.from = 0; this.to = data.slots; this.charts = [];
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
      for (let slot = from; slot < to; slot++) g.fillRect(x(slot), y(layer.values[slot]), wide, y(layer.lower[slot]) - y(layer.values[slot]));
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

function table(host, head, rows) {
  const cell = (tag, content) => make(tag, {}, content instanceof Node ? content : String(content));
  host.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...head.map(text => cell("th", text)))),
    make("tbody", {}, ...rows.map(row => make("tr", {}, ...row.map(content => cell("td", content)))))));
  host.dataset.drawn = "1";
}

function drawFigures(data) {
  const f = data.figures, cards = [
    ["Cost with the market", euro(f.cost_eur)], ["Without a market", euro(f.cost_no_market_eur)],
    ["Netting only, no flexibility", euro(f.cost_netting_eur)],
    f.captured === null ? ["Saved against no market", percent(1 - f.cost_eur / f.cost_no_market_eur)]
      : ["Of the possible saving", percent(f.captured)],
    ["Self-sufficiency", percent(f.self_sufficiency)], ["Self-consumption", percent(f.self_consumption)],
    ["Grid peak", `${f.grid_peak_kw.toFixed(1)} kW`],
    ["EV energy missing", `${f.unmet_ev_kwh.toFixed(2)} kWh`, f.unmet_ev_kwh < 0.01],
    ["Late washers", f.late_washers, f.late_washers === 0],
    ["Freezers too warm", `${f.freezer_minutes_too_warm} min`, f.freezer_minutes_too_warm === 0],
    ["Messages per device and slot", f.messages_per_device_slot.toFixed(2)],
    ["Money lost or made", `${f.conservation_error_ueur} µ€`, f.conservation_error_ueur === 0],
    ["Proofs verified", f.proofs_verified.toLocaleString("en")], ["Transactions", f.transactions.toLocaleString("en")]];
  byId("figures").replaceChildren(...cards.map(([label, value, good]) =>
    make("div", { className: `card ${good === undefined ? "" : good ? "good" : "bad"}` }, make("b", {}, String(value)), make("span", {}, label))));
  const flat = value => value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
  table(byId("all"), ["figure", "value"], Object.entries(f).filter(([key]) => key !== "bills").map(([key, value]) => [key, flat(value)]));
}

function reasonAt(data, device, slot) {
  const list = device.reasons;
  let low = 0, high = list.length;
  while (low < high) { const middle = (low + high) >> 1; if (list[middle][0] <= slot) low = middle + 1; else high = middle; }
  return low ? data.texts[list[low - 1][1]] : "";
}

function drawDevice(data, view, device) {
  view.charts = view.charts.filter(chart => chart.host.id !== "power");
  byId("power").replaceChildren();
  const layers = [{ kind: "bars", values: device.power_w, color: "--battery", label: "metered" }];
  if (device.position_w) layers.push({ kind: "step", values: device.position_w, color: "--call", label: "traded" });
  new Chart(byId("power"), view, {
    layers, format: watts, axis: w => Math.abs(w) >= 1000 ? `${w / 1000} kW` : `${w} W`, fromZero: true, label: `Power of ${device.name}`,
    shades: device.offline, note: slot => reasonAt(data, device, slot),
    onHover: slot => { byId("reason").textContent = `${clockTime(view.timeOf(slot))} ${reasonAt(data, device, slot)}`; }
  }).draw();
  byId("reason").textContent = `At the start: ${reasonAt(data, device, 0) || "no decision yet"}`;
}

function drawDevices(data, view) {
  const select = byId("device");
  select.replaceChildren(...data.devices.map((device, index) => make("option", { value: index }, `${device.name} (${device.kind.replace("_", " ")})`)));
  const start = Math.max(0, data.devices.findIndex(device => device.kind === "battery"));
  select.value = String(start);
  select.addEventListener("change", () => drawDevice(data, view, data.devices[Number(select.value)]));
  drawDevice(data, view, data.devices[start]);
  const lanes = byId("lanes"), details = lanes.closest("details");
  details.addEventListener("toggle", () => {
    if (!details.open || lanes.childElementCount) return;
    for (const device of data.devices) {
      const host = make("div", {});
      lanes.append(make("div", { className: "lane" }, make("span", { title: device.name }, device.name), host));
      new Chart(host, view, { bare: true, height: 34, margin: { left: 0, right: 0, top: 2, bottom: 2 }, fromZero: true, format: watts,
        layers: [{ kind: "bars", values: device.power_w, color: "--battery", label: device.name }], label: `Power of ${device.name}`,
        shades: device.offline, note: slot => reasonAt(data, device, slot) }).draw();
    }
  });
}

function drawEv(data, view) {
  const sessions = data.ev_sessions, host = byId("ev");
  if (!sessions.length) { host.textContent = "No EV in this run."; host.dataset.drawn = "1"; return; }
  const rows = [...new Set(sessions.map(session => session.device))], lane = 24;
  const chart = new Chart(host, view, { layers: [], height: rows.length * lane + 34, label: "EV stays", format: kwh, axis: () => "", margin: { left: 78, right: 8, top: 6, bottom: 20 } });
  chart.drawLayer = () => {};
  chart.hover = (position, event) => {
    const box = chart.canvas.getBoundingClientRect(), row = Math.floor((event.clientY - box.top - 6) / lane);
    const hit = sessions.find(s => rows.indexOf(s.device) === row && s.from_slot <= position && position < s.to_slot);
    if (!hit) return hideTip();
    showTip(event, view.timeOf(hit.from_slot), [[css("--battery"), `${hit.device}: ${kwh(hit.delivered_wh)} of ${kwh(hit.needed_wh)}`]],
      `leaves ${dayName(view.timeOf(hit.to_slot))} ${clockTime(view.timeOf(hit.to_slot))}`);
  };
  chart.draw = () => {
    chart.drawAxes = Chart.prototype.drawAxes;
    Chart.prototype.draw.call(chart);
    const g = chart.canvas.getContext("2d"), width = host.clientWidth - 12, { left, right } = chart.margin;
    const x = slot => left + (slot - view.from) / (view.to - view.from) * (width - left - right);
    g.textBaseline = "middle"; g.textAlign = "right"; g.font = "11px system-ui, sans-serif"; g.fillStyle = css("--soft");
    rows.forEach((name, row) => g.fillText(name, left - 6, 6 + row * lane + lane / 2));
    g.save(); g.beginPath(); g.rect(left, 0, width - left - right, chart.height); g.clip();
    for (const s of sessions) {
      const top = 6 + rows.indexOf(s.device) * lane + 4, wide = Math.max(2, x(s.to_slot) - x(s.from_slot));
      g.fillStyle = css("--band"); g.fillRect(x(s.from_slot), top, wide, lane - 8);
      g.fillStyle = css(s.delivered_wh + 10 >= s.needed_wh ? "--good" : "--bad");
      g.fillRect(x(s.from_slot), top, wide * Math.min(1, s.needed_wh ? s.delivered_wh / s.needed_wh : 1), lane - 8);
    }
    g.restore();
  };
  chart.draw();
}

function drawSales(data) {
  const { names, wh } = data.sales;
  if (!names.length) { byId("sales").textContent = "Nothing was traded."; byId("sales").dataset.drawn = "1"; return; }
  const buyers = names.map((_, column) => column).filter(column => wh.some(row => row[column]));
  const sellers = names.map((_, row) => row).filter(row => wh[row].some(Boolean));
  const peak = Math.max(...wh.flat(), 1);
  table(byId("sales"), ["sold by", ...buyers.map(column => names[column]), "all"], sellers.map(row => [names[row],
    ...buyers.map(column => {
      const value = wh[row][column];
      return make("span", { style: `background: color-mix(in srgb, var(--accent) ${Math.round(60 * value / peak)}%, transparent); padding: 2px 5px; border-radius: 3px` },
        value ? (value / 1000).toFixed(1) : "·");
    }), (wh[row].reduce((a, b) => a + b, 0) / 1000).toFixed(1)]));
}

function drawBills(data) {
  const peak = Math.max(...data.bills.flatMap(bill => [Math.abs(bill.with_eur), Math.abs(bill.without_eur)]), 0.01);
  const bar = (value, color) => make("span", { className: "bar", style: `width:${Math.round(90 * Math.abs(value) / peak)}px; background: var(${color})` });
  table(byId("bills"), ["party", "without", "", "with", "", "saved"], data.bills.map(bill => [bill.party, euro(bill.without_eur), bar(bill.without_eur, "--grid"),
    euro(bill.with_eur), bar(bill.with_eur, "--accent"), euro(bill.without_eur - bill.with_eur)]));
}

function drawCharts(data, view) {
  const ct = value => (value / 1e4).toFixed(1), kw = value => `${+(value / 1000).toFixed(1)}`, perHour = HOUR / data.slot_s;
  const power = name => data.energy_wh[name].map(wh => wh * perHour), minus = name => data.energy_wh[name].map(wh => -wh * perHour);
  new Chart(byId("price"), view, { label: "Price per slot", format: cents, axis: value => `${ct(value)} ct`, layers: [
    { kind: "band", values: data.prices.ask, lower: data.prices.bid, color: "--band", label: "between bid and ask" },
    { kind: "step", values: data.prices.ask, color: "--grid", label: "utility asks" },
    { kind: "step", values: data.prices.bid, color: "--export", label: "utility bids" },
    { kind: "step", values: data.prices.call, color: "--call", label: "call price", width: 1.8 }] });
  new Chart(byId("energy"), view, { label: "Energy by source", format: watts, axis: value => `${kw(value)} kW`, height: 230, fromZero: true, layers: [
    { kind: "stack", values: power("solar"), color: "--solar", label: "sun" },
    { kind: "stack", values: power("battery_out"), color: "--battery", label: "battery" },
    { kind: "stack", values: power("grid_import"), color: "--grid", label: "grid" },
    { kind: "stack", values: minus("battery_in"), color: "--battery", label: "into the battery" },
    { kind: "stack", values: minus("grid_export"), color: "--export", label: "to the grid" },
    { kind: "step", values: power("load"), color: "--load", label: "demand", width: 1.2 }] });
  if (data.battery) new Chart(byId("battery"), view, { label: "Battery charge", format: kwh, axis: value => `${kw(value)} kWh`, fromZero: true,
    low: 0, high: data.battery.capacity_wh, shades: data.battery.offline,
    layers: [{ kind: "line", values: data.battery.stored_wh, color: "--battery", label: "stored", width: 1.8 }] });
  else { byId("battery").textContent = "No battery in this run."; byId("battery").dataset.drawn = "1"; }
  if (data.freezers.length) {
    const shades = ["--battery", "--accent", "--export", "--grid", "--solar"], band = data.freezer_band_mc, celsius = mc => `${(mc / 1000).toFixed(1)} °C`;
    const flat = value => data.freezers[0].temperature_mc.map(() => value);
    const extremes = slot => {
      const at = data.freezers.map(freezer => [freezer.temperature_mc[slot], freezer.name]).filter(([mc]) => mc !== null).sort((a, b) => a[0] - b[0]);
      return at.length ? `coldest ${at[0][1]} ${celsius(at[0][0])}, warmest ${at.at(-1)[1]} ${celsius(at.at(-1)[0])}` : "";
    };
    new Chart(byId("freezer"), view, { label: "Freezer temperatures", format: celsius, axis: celsius, note: extremes, layers: [
      { kind: "band", values: flat(band[1]), lower: flat(band[0]), color: "--band", label: `allowed: ${celsius(band[0])} to ${celsius(band[1])}` },
      ...data.freezers.map((freezer, index) => ({ kind: "line", values: freezer.temperature_mc, color: shades[index % shades.length], width: 1 }))] });
  } else { byId("freezer").textContent = "No freezer in this run."; byId("freezer").dataset.drawn = "1"; }
  new Chart(byId("imbalance"), view, { label: "Imbalance", format: kwh, axis: value => `${kw(value)} kWh`, fromZero: true, layers: [
    { kind: "stack", values: data.imbalance_wh.short, color: "--call", label: "short" },
    { kind: "stack", values: data.imbalance_wh.long.map(wh => -wh), color: "--solar", label: "long" }] });
}

async function main() {
  const data = await unpack(byId("data").textContent);
  byId("title").textContent = data.title;
  byId("subtitle").textContent = `${data.devices.length} devices, ${data.slots} slots of ${data.slot_s / 60} minutes from ${new Date(data.t0_s * 1000).toISOString().slice(0, 16)}Z. Times are UTC.`;
  byId("partial").hidden = !data.partial;
  byId("attribution").replaceChildren(...data.attribution.map(line => make("p", {}, line)));
  const view = new TimeWindow(data);
  drawFigures(data); drawCharts(data, view); drawDevices(data, view); drawEv(data, view); drawSales(data); drawBills(data);
  byId("timebar").addEventListener("click", event => { if (event.target.dataset.zoom) view.command(event.target.dataset.zoom); });
  let pending = 0;
  addEventListener("resize", () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(() => view.draw()); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view.draw());
  view.draw();
  document.body.dataset.ready = "1";
}
addEventListener("error", event => { document.body.dataset.failed = event.message; });
addEventListener("unhandledrejection", event => { document.body.dataset.failed = String(event.reason); });
main();
