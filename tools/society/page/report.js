"use strict";
// Draws the report from the embedded data, with the charts of chart.js.

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
  byId("alarm").hidden = !data.figures.liar;
  byId("alarm").textContent = data.figures.liar ? data.figures.liar.alarm : "";
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
