// The page: which network, which looks, and what the worker makes of the sheet.

import * as sheet from "./sheet.js";

const networks = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const DRAFT = 256; // pixels of a photograph's shorter side while it changes
const QUIET = 350; // milliseconds without a change, after which it is worked at the size chosen
const state = { network: networks[0], weights: [], own: 0 };

// ----------------------------------------------------------------------------------------- running

const LONG = 5000; // milliseconds after which work that is not wanted any more is broken off
let worker, asked = 0, running = 0, waiting = "", quiet;

function start() {
  worker?.terminate();
  worker = new Worker("worker.js", { type: "module" });
  worker.onmessage = answered;
  worker.onerror = (event) => say(`The page cannot start: ${event.message ?? "no worker"}`, true);
}

// The newest picture is worked when the one before is done, those between are not. `how`: "draft"
// while one draws, then "fine".
function ask(how = "draft") {
  clearTimeout(quiet);
  busy(true);
  waiting = how;
  if (running && performance.now() - running > LONG) {
    running = 0;
    start();
  }
  if (!running) next();
}

function next() {
  const { network, weights } = state, { width, height, data } = sheet.picture();
  offerSizes(Math.min(width, height));
  const shape = Math.min(Math.max(width / height, 1), 1.6);
  document.body.style.setProperty("--shape", shape);
  const chosen = Number($("size").value), fine = waiting === "fine" || chosen <= DRAFT;
  waiting = "";
  running = performance.now();
  say(asked ? "Working …" : "Loading the network …");
  worker.postMessage({
    id: ++asked, network, weights, fine,
    size: fine ? chosen : DRAFT,
    picture: { width, height, data },
  });
}

function answered({ data }) {
  running = 0;
  if (waiting) next();
  else if (!data.fine && !data.error) quiet = setTimeout(ask, QUIET, "fine");
  if (data.name !== state.network.name) return;
  if (!running && (data.fine || data.error)) busy(false, data.error);
  if (data.error) {
    const smaller = $("size-label").hidden ? "" : " A smaller size may.";
    say(`That did not work: ${data.error}.${smaller}`, true);
    return;
  }
  show(data.made);
  const { width, height } = data.seen;
  if (!running) say(`Worked at ${width} × ${height}, in ${data.all.toFixed(2)} s. ${sheet.note()}`);
  $("status").title =
    `${Math.round(1000 * data.seconds)} ms in the network, ` +
    `${data.threads} thread${data.threads > 1 ? "s" : ""}`;
}

// While the result is not that of what is seen, it cannot be saved.
function busy(still, failed = false) {
  $("result").ariaBusy = String(still);
  $("save").disabled = Boolean(still || failed);
}

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
}

function show({ width, height, data }) {
  for (const one of [$("result"), $("before")]) one.classList.remove("old");
  const made = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) made.data[4 * i + c] = data[3 * i + c];
    made.data[4 * i + 3] = 255;
  }
  sheet.fit($("result"), width, height).putImageData(made, 0, 0);
  const over = sheet.fit($("before"), width, height);
  over.imageSmoothingQuality = "high";
  over.drawImage($("input"), 0, 0, width, height);
}

$("compare").oninput = (event) => {
  $("before").style.setProperty("--shown", `${100 - event.target.value}%`);
};

function save() {
  if ($("save").disabled) return;
  $("result").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${state.network.name}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

$("save").onclick = save;

// ----------------------------------------------------------------------------------------- choices

function networkButtons() {
  const made = networks.map((network, i) => {
    const button = document.createElement("button");
    button.textContent = network.name;
    button.title = network.makes;
    button.setAttribute("role", "radio");
    button.onclick = () => use(network);
    button.onkeydown = (event) => {
      const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!way) return;
      event.preventDefault();
      const next = (i + way + networks.length) % networks.length;
      $("networks").children[next].focus();
      use(networks[next]);
    };
    return button;
  });
  $("networks").replaceChildren(...made);
}

function use(network) {
  Object.assign(state, { network, own: 0, weights: network.looks.map((_, i) => +!i) });
  [...$("networks").children].forEach((button, i) => {
    button.setAttribute("aria-checked", networks[i] === network);
    button.tabIndex = networks[i] === network ? 0 : -1;
  });
  for (const one of [$("result"), $("before")]) one.classList.add("old");
  $("makes").textContent = network.makes;
  $("card").href = network.card;
  looks(network);
  sheet.use(network.takes, network.sample, network.factor);
}

// A photograph may be worked at its own size or smaller; a drawing is at the size that its network
// is best at.
function offerSizes(own) {
  if (own === state.own) return;
  state.own = own;
  const { takes, best_size, factor } = state.network;
  const fixed = takes === "drawing" && best_size && own > 1.25 * best_size;
  const smaller = [128, 256, 384, 512, 768, 1024].filter((size) => size < own);
  const all = fixed ? [best_size] : [...smaller, own];
  $("size").replaceChildren(...all.map((size) => new Option(`${size} pixels`, size)));
  const usual = factor > 1 ? own : Math.min(best_size ?? 512, 512);
  $("size").value = String(all.findLast((size) => size <= usual) ?? all[0]);
  $("size-label").hidden = all.length < 2;
}

function looks(network) {
  const rows = network.looks.map((look, i) => {
    const one = document.createElement("div"), button = document.createElement("button");
    const slider = Object.assign(document.createElement("input"), { type: "range", max: 100 });
    const name = look.name.replaceAll("_", " ");
    const example = Object.assign(document.createElement("img"), { src: look.sample, alt: "" });
    button.append(example, name);
    button.title = `${name} alone`;
    slider.setAttribute("aria-label", `How much of ${name}`);
    slider.oninput = () => {
      state.weights[i] = slider.value / 100;
      if (!state.weights.some((weight) => weight > 0)) state.weights[i] = 0.01;
      markLooks();
      ask();
    };
    button.onclick = () => {
      state.weights = state.weights.map((_, j) => +(i === j));
      markLooks();
      ask();
    };
    one.append(button, slider);
    return one;
  });
  $("looks").replaceChildren(...rows);
  $("choices").hidden = !rows.length;
  markLooks();
}

function markLooks() {
  [...$("looks").children].forEach((one, i) => {
    one.classList.toggle("used", state.weights[i] > 0);
    one.firstChild.setAttribute("aria-current", state.weights[i] > 0);
    one.lastChild.value = Math.round(100 * state.weights[i]);
  });
}

$("size").onchange = () => ask("fine");

document.addEventListener("keydown", (event) => {
  if (event.target.matches("select") || event.altKey) return;
  const command = event.ctrlKey || event.metaKey, letter = event.key.toLowerCase();
  const width = $("width");
  if (command && letter === "z" && !event.shiftKey) sheet.step("undo", "redo");
  else if (command && (letter === "y" || letter === "z")) sheet.step("redo", "undo");
  else if (command) return;
  else if (letter === "b") sheet.choose("brush");
  else if (letter === "e") sheet.choose("eraser");
  else if (letter === "[") width.value = Number(width.value) - 2;
  else if (letter === "]") width.value = Number(width.value) + 2;
  else if (letter === "s") save();
  else return;
  event.preventDefault();
});

sheet.listen({ changed: () => ask(), say });
start();
networkButtons();
use(networks[0]);
