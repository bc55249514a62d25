// The sheet that one draws on: pen, eraser, undo, and pictures that are laid on it.

const $ = (id) => document.getElementById(id);
const SIDE = 512; // pixels of an empty sheet
const LARGEST = 2048; // of an opened picture's longer side
const STEPS = 40; // that can be undone
const canvas = $("input");
const pen = canvas.getContext("2d", { willReadFrequently: true });
const under = document.createElement("canvas"); // what the eraser brings back
const sheets = new Map(); // by their first picture, so that each network finds its own again
const state = { kind: "", first: "", tool: "brush", undo: [], redo: [], from: null };
let tell = { changed() {}, say() {} };

// Sets whom to tell that the picture has changed, and what to say to the user.
export function listen(listener) {
  tell = listener;
}

export function picture() {
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

// Gives a canvas a size; returns what draws on it.
export function fit(one, width, height) {
  if (one.width !== width || one.height !== height) Object.assign(one, { width, height });
  return one.getContext("2d");
}

// Takes the sheet that begins with a sample of a kind of picture, as it was left.
export function use(kind, first) {
  if (state.first) sheets.set(state.first, snapshot());
  closeCamera();
  Object.assign(state, { kind, first, undo: [], redo: [] });
  $("ink-label").hidden = onWhite();
  if (sheets.has(first)) restore(sheets.get(first));
  else {
    empty();
    sample();
  }
  mark();
}

const onWhite = () => state.kind === "drawing"; // black lines, whatever lies under them

// -------------------------------------------------------------------------------------------- undo

function snapshot() {
  const base = document.createElement("canvas");
  fit(base, under.width, under.height).drawImage(under, 0, 0);
  return { ink: picture(), base };
}

function remember() {
  state.undo.push(snapshot());
  if (state.undo.length > STEPS) state.undo.shift();
  state.redo = [];
  mark();
}

function restore({ ink, base }) {
  fit(canvas, ink.width, ink.height);
  pen.putImageData(ink, 0, 0);
  fit(under, base.width, base.height).drawImage(base, 0, 0);
  tell.changed();
}

export function step(from, to) {
  if (!state[from].length) return;
  state[to].push(snapshot());
  restore(state[from].pop());
  mark();
}

function mark() {
  $("undo").disabled = !state.undo.length;
  $("redo").disabled = !state.redo.length;
}

$("undo").onclick = () => step("undo", "redo");
$("redo").onclick = () => step("redo", "undo");

// --------------------------------------------------------------------------------------------- pen

export function choose(tool) {
  state.tool = tool;
  for (const name of ["brush", "eraser"]) $(name).setAttribute("aria-pressed", name === tool);
}

$("brush").onclick = () => choose("brush");
$("eraser").onclick = () => choose("eraser");

function line(from, to, pressure = 0.5) {
  const erasing = state.tool === "eraser", sheet = Math.min(canvas.width, canvas.height) / SIDE;
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = onWhite() ? "#000000" : $("ink").value;
  if (erasing) pen.strokeStyle = onWhite() ? "#ffffff" : pen.createPattern(under, "no-repeat");
  pen.lineWidth = Number($("width").value) * sheet * (erasing ? 2 : 0.5 + pressure);
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}

// Where the sheet's own pixels lie in the window: it is as large as its stage takes.
function view() {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
  const left = box.left + (box.width - scale * canvas.width) / 2;
  return { scale, left, top: box.top + (box.height - scale * canvas.height) / 2 };
}

function place(event) {
  const { scale, left, top } = view();
  return [(event.clientX - left) / scale, (event.clientY - top) / scale];
}

// A mouse and a finger press equally all the time.
const pressure = (event) => (event.pointerType === "pen" ? event.pressure : 0.5);

canvas.addEventListener("pointerdown", (event) => {
  if (event.button > 0) return;
  canvas.setPointerCapture(event.pointerId);
  remember();
  state.from = place(event);
  line(state.from, state.from, pressure(event));
});
canvas.addEventListener("pointermove", (event) => {
  if (!state.from) return;
  const all = event.getCoalescedEvents?.() ?? [];
  for (const one of all.length ? all : [event]) {
    const to = place(one);
    line(state.from, to, pressure(one));
    state.from = to;
  }
  tell.changed();
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, () => {
    if (!state.from) return;
    state.from = null;
    tell.changed();
  });
}

// By keys: a pen that the arrows move.
const key = { at: [SIDE / 2, SIDE / 2], down: false };

function showPen() {
  const { scale, left, top } = view(), stage = $("drop").getBoundingClientRect();
  $("cursor").hidden = document.activeElement !== canvas || !canvas.matches(":focus-visible");
  $("cursor").classList.toggle("down", key.down);
  $("cursor").style.left = `${left - stage.left + scale * key.at[0]}px`;
  $("cursor").style.top = `${top - stage.top + scale * key.at[1]}px`;
}

canvas.addEventListener("keydown", (event) => {
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const way = ways[event.key];
  if (!way && event.key !== " ") return;
  event.preventDefault();
  if (way) {
    const far = event.shiftKey ? 2 : 12, sides = [canvas.width, canvas.height];
    const to = key.at.map((x, i) => Math.min(Math.max(x + far * way[i], 0), sides[i]));
    if (key.down) {
      line(key.at, to);
      tell.changed();
    }
    key.at = to;
  } else {
    key.down = !key.down;
    if (key.down) remember();
    tell.say(key.down ? "Pen down" : "Pen up");
  }
  showPen();
});
canvas.addEventListener("focus", showPen);
canvas.addEventListener("blur", () => {
  key.down = false;
  showPen();
});

// ---------------------------------------------------------------------------------------- pictures

function empty() {
  lay(null, SIDE, SIDE);
}

// A picture on the sheet: white under what is transparent, and no larger than fits.
function lay(source, width, height) {
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const [wide, high] = [width, height].map((side) => Math.max(8, Math.round(side * scale)));
  for (const one of [under, canvas]) {
    const paint = fit(one, wide, high);
    paint.fillStyle = "#ffffff";
    paint.fillRect(0, 0, wide, high);
    paint.imageSmoothingQuality = "high";
    if (source) paint.drawImage(source, 0, 0, wide, high);
  }
}

async function open(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    tell.say("That is no picture that the browser can read.", true);
    return;
  }
  remember();
  lay(bitmap, bitmap.width, bitmap.height);
  tell.changed();
}

// Lays the sample on the sheet, which until then stays as it is.
async function sample() {
  const { first } = state;
  try {
    const answer = await fetch(first);
    const bitmap = await createImageBitmap(await answer.blob());
    if (first !== state.first) return;
    lay(bitmap, bitmap.width, bitmap.height);
    tell.changed();
  } catch (error) {
    tell.say(`The sample cannot be opened: ${error.message}`, true);
  }
}

$("sample").onclick = () => {
  remember();
  sample();
};
$("clear").onclick = () => {
  remember();
  empty();
  tell.changed();
};
$("file").onchange = (event) => {
  if (event.target.files[0]) open(event.target.files[0]);
  event.target.value = ""; // so that the same file can be opened again
};
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

// ------------------------------------------------------------------------------------------ camera

let stream = null;

function closeCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  $("camera").hidden = $("shoot").hidden = true;
  canvas.hidden = false;
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
    tell.say(`There is no camera for this page (${error.message}).`, true);
    return;
  }
  $("camera").srcObject = stream;
  await $("camera").play();
  $("camera").hidden = $("shoot").hidden = false;
  canvas.hidden = true;
  $("open-camera").textContent = "Close the camera";
};
$("shoot").onclick = () => {
  const { videoWidth, videoHeight } = $("camera");
  remember();
  lay($("camera"), videoWidth, videoHeight);
  closeCamera();
  tell.changed();
};
