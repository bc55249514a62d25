// The page: drawing, opening, choosing, and showing what the worker makes of it.

const networks = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const SIDE = 512; // pixels of a sheet
const LARGEST = 2048; // of an opened picture's longer side
const input = $("input"), result = $("result"), before = $("before");
const pen = input.getContext("2d", { willReadFrequently: true });
const state = { network: networks[0], tool: "brush", weights: [], undo: [], redo: [], stroke: null };
const sheets = new Map(); // the picture of every kind of network, so that a tab finds its own again

// ------------------------------------------------------------------------------------------ running

const worker = new Worker("worker.js", { type: "module" });
let asked = 0, running = false, waiting = false;

function ask() {
  if (running) {
    waiting = true; // the newest drawing is worked when this one is done, those between are not
    return;
  }
  running = true;
  say(asked ? "Working …" : "Loading the network …");
  const { network, weights } = state;
  const picture = pen.getImageData(0, 0, input.width, input.height);
  const { width, height, data } = picture;
  worker.postMessage({
    id: ++asked,
    network,
    weights,
    size: Number($("size").value) || null,
    picture: { width, height, data },
  });
}

worker.onmessage = ({ data }) => {
  running = false;
  if (waiting) {
    waiting = false;
    ask();
  }
  if (data.error) {
    say(`That did not work: ${data.error}`, true);
    return;
  }
  if (data.id !== asked && running === false) return;
  show(data.made);
  const { width, height } = data.seen, plural = data.threads > 1 ? "s" : "";
  say(
    `${width} × ${height} in ${Math.round(1000 * data.all)} ms ` +
      `(network ${Math.round(1000 * data.seconds)}, ${data.threads} thread${plural})`,
  );
  document.body.dataset.done = data.id;
};
worker.onerror = (event) => say(`The page cannot start: ${event.message ?? "no worker"}`, true);

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
}

function show({ width, height, data }) {
  const picture = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    picture.data.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
    picture.data[4 * i + 3] = 255;
  }
  fit(result, width, height).putImageData(picture, 0, 0);
  const over = fit(before, width, height);
  over.imageSmoothingQuality = "high";
  over.drawImage(input, 0, 0, width, height);
}

// Gives a canvas a size, and its place on the stage; returns what draws on it.
function fit(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  canvas.style.setProperty("--wide", `${100 * Math.min(1, width / height)}%`);
  return canvas.getContext("2d");
}

// ------------------------------------------------------------------------------------------ drawing

const draws = () => state.network.takes === "drawing";

function remember() {
  state.undo.push(snapshot());
  if (state.undo.length > 40) state.undo.shift();
  state.redo = [];
  buttons();
}

function snapshot() {
  return pen.getImageData(0, 0, input.width, input.height);
}

function restore(picture) {
  fit(input, picture.width, picture.height);
  pen.putImageData(picture, 0, 0);
  buttons();
  ask();
}

function step(from, to) {
  if (!from.length) return;
  to.push(snapshot());
  restore(from.pop());
}

function buttons() {
  $("undo").disabled = !state.undo.length;
  $("redo").disabled = !state.redo.length;
}

function line(from, to) {
  pen.lineCap = pen.lineJoin = "round";
  const erasing = state.tool === "eraser";
  pen.strokeStyle = erasing ? "#ffffff" : $("ink").value;
  pen.lineWidth = Number($("width").value) * (erasing ? 3 : 1);
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}

function place(event) {
  const box = input.getBoundingClientRect();
  return [
    ((event.clientX - box.left) * input.width) / box.width,
    ((event.clientY - box.top) * input.height) / box.height,
  ];
}

input.addEventListener("pointerdown", (event) => {
  if (!draws() || event.button > 0) return;
  input.setPointerCapture(event.pointerId);
  remember();
  state.stroke = place(event);
  line(state.stroke, state.stroke);
});
input.addEventListener("pointermove", (event) => {
  if (!state.stroke) return;
  const all = event.getCoalescedEvents?.() ?? [];
  for (const one of all.length ? all : [event]) {
    const to = place(one);
    line(state.stroke, to);
    state.stroke = to;
  }
  ask();
});
for (const end of ["pointerup", "pointercancel"]) {
  input.addEventListener(end, () => {
    if (!state.stroke) return;
    state.stroke = null;
    ask();
  });
}

// By keys: a pen that the arrows move.
const key = { at: [SIDE / 2, SIDE / 2], down: false };

function showPen() {
  const box = input.getBoundingClientRect(), stage = $("drop").getBoundingClientRect();
  $("cursor").hidden = document.activeElement !== input || !draws();
  $("cursor").classList.toggle("down", key.down);
  $("cursor").style.left = `${box.left - stage.left + (key.at[0] / input.width) * box.width}px`;
  $("cursor").style.top = `${box.top - stage.top + (key.at[1] / input.height) * box.height}px`;
}

input.addEventListener("keydown", (event) => {
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const way = ways[event.key];
  if (!draws() || (!way && event.key !== " ")) return;
  event.preventDefault();
  if (event.key === " ") {
    key.down = !key.down;
    if (key.down) remember();
    say(key.down ? "Pen down" : "Pen up");
  } else {
    const far = event.shiftKey ? 2 : 12;
    const clamp = (value, most) => Math.min(Math.max(value, 0), most);
    const to = [
      clamp(key.at[0] + far * way[0], input.width),
      clamp(key.at[1] + far * way[1], input.height),
    ];
    if (key.down) {
      line(key.at, to);
      ask();
    }
    key.at = to;
  }
  showPen();
});
input.addEventListener("focus", showPen);
input.addEventListener("blur", () => {
  key.down = false;
  showPen();
});

function choose(tool) {
  state.tool = tool;
  for (const name of ["brush", "eraser"]) $(name).setAttribute("aria-pressed", name === tool);
}

$("brush").onclick = () => choose("brush");
$("eraser").onclick = () => choose("eraser");
$("undo").onclick = () => step(state.undo, state.redo);
$("redo").onclick = () => step(state.redo, state.undo);
$("clear").onclick = () => {
  remember();
  empty();
  ask();
};

function empty() {
  fit(input, SIDE, SIDE);
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, SIDE, SIDE);
}

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select") || event.altKey) return;
  const command = event.ctrlKey || event.metaKey, letter = event.key.toLowerCase();
  const width = $("width");
  if (command && letter === "z" && !event.shiftKey) step(state.undo, state.redo);
  else if (command && (letter === "y" || letter === "z")) step(state.redo, state.undo);
  else if (command) return;
  else if (letter === "b") choose("brush");
  else if (letter === "e") choose("eraser");
  else if (letter === "[") width.value = Number(width.value) - 2;
  else if (letter === "]") width.value = Number(width.value) + 2;
  else if (letter === "s") save();
  else return;
  event.preventDefault();
});

// ----------------------------------------------------------------------------------------- pictures

async function open(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    say("That is no picture that the browser can read.", true);
    return;
  }
  remember();
  lay(bitmap, bitmap.width, bitmap.height);
  ask();
}

// A picture on the sheet: white under what is transparent, and no larger than fits.
function lay(source, width, height) {
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const wide = Math.max(8, Math.round(width * scale));
  const high = Math.max(8, Math.round(height * scale));
  fit(input, wide, high);
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, wide, high);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(source, 0, 0, wide, high);
}

$("file").onchange = (event) => event.target.files[0] && open(event.target.files[0]);
$("sample").onclick = () => sample(true);
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => {
  const item = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (item) open(item);
});

async function sample(asked) {
  try {
    const answer = await fetch(state.network.samples[0]);
    const bitmap = await createImageBitmap(await answer.blob());
    if (asked) remember();
    lay(bitmap, bitmap.width, bitmap.height);
    ask();
  } catch (error) {
    say(`The sample cannot be opened: ${error.message}`, true);
  }
}

let stream = null;

function closeCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  $("camera").hidden = $("shoot").hidden = true;
  input.hidden = false;
  $("open-camera").textContent = "Camera";
}

$("open-camera").onclick = async () => {
  if (stream) {
    closeCamera();
    return;
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    say(`There is no camera for this page (${error.message}).`, true);
    return;
  }
  $("camera").srcObject = stream;
  await $("camera").play();
  $("camera").hidden = $("shoot").hidden = false;
  input.hidden = true;
  $("open-camera").textContent = "Close the camera";
};
$("shoot").onclick = () => {
  const { videoWidth, videoHeight } = $("camera");
  remember();
  lay($("camera"), videoWidth, videoHeight);
  closeCamera();
  ask();
};

function save() {
  result.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${state.network.name}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

$("save").onclick = save;
$("compare").oninput = (event) => {
  before.style.setProperty("--shown", `${100 - event.target.value}%`);
};

// ------------------------------------------------------------------------------------------ choices

function networkButtons() {
  const made = networks.map((network, i) => {
    const button = document.createElement("button");
    button.textContent = network.name;
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
  if (input.width) sheets.set(state.network.takes, snapshot());
  closeCamera();
  Object.assign(state, { network, undo: [], redo: [], weights: network.looks.map((_, i) => +!i) });
  [...$("networks").children].forEach((button, i) => {
    button.setAttribute("aria-checked", networks[i] === network);
    button.tabIndex = networks[i] === network ? 0 : -1;
  });
  document.body.classList.toggle("draws", draws());
  $("left-title").textContent = draws() ? "Your drawing" : "Your picture";
  $("makes").textContent = network.makes;
  $("card").href = network.card;
  sizes(network);
  looks(network);
  buttons();
  const kept = sheets.get(network.takes);
  if (kept) restore(kept);
  else {
    empty();
    sample(false);
  }
}

// Photographs may be worked at several sizes; a drawing has the one that its network is best at.
function sizes(network) {
  const most = network.best_size ?? 512;
  const offered = draws() ? [network.best_size ?? 0] : [128, 256, 384, 512, 768, 1024];
  const usable = offered.filter((size) => draws() || size <= Math.max(most, 256));
  $("size").replaceChildren(...usable.map((size) => new Option(`${size} pixels`, size)));
  $("size").value = String(draws() ? usable[0] : network.factor > 1 ? 128 : Math.min(most, 256));
  $("choices").hidden = draws();
  $("choices").querySelector("h2").hidden = !network.looks.length;
}

function looks(network) {
  const rows = network.looks.map((name, i) => {
    const label = document.createElement("label"), button = document.createElement("button");
    const slider = Object.assign(document.createElement("input"), {
      type: "range", min: 0, max: 100, value: 100 * state.weights[i],
    });
    button.textContent = name.replaceAll("_", " ");
    button.title = `${button.textContent} alone`;
    slider.setAttribute("aria-label", button.textContent);
    slider.oninput = () => {
      state.weights[i] = slider.value / 100;
      if (!state.weights.some((weight) => weight > 0)) state.weights[i] = 0.01;
      mark();
      ask();
    };
    button.onclick = (event) => {
      event.preventDefault();
      state.weights = state.weights.map((_, j) => +(i === j));
      mark(true);
      ask();
    };
    label.append(button, slider);
    return label;
  });
  $("looks").replaceChildren(...rows);
  mark();
}

function mark(move = false) {
  [...$("looks").children].forEach((label, i) => {
    label.classList.toggle("used", state.weights[i] > 0);
    if (move) label.querySelector("input").value = 100 * state.weights[i];
  });
}

$("size").onchange = ask;
input.width = 0;
networkButtons();
use(networks[0]);
