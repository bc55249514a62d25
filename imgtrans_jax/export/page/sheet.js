// The sheet that one draws on: pen, eraser, undo, and pictures that are laid on it.

const $ = (id) => document.getElementById(id);
const SIDE = 512; // pixels of an empty sheet
const LARGEST = 4096; // of the longer side of a picture and of what is made of it
const DRAWING = 1024; // the same of a drawing, whose paper and fills are worked at each stroke
const STEPS = 40; // that can be undone, fewer of large pictures:
const MOST = 64 * 512 * 512; // pixels that are kept for it
const canvas = $("input");
const pen = canvas.getContext("2d", { willReadFrequently: true });
let under = document.createElement("canvas"); // what the eraser brings back; never drawn on again
const sheets = new Map(); // by their first picture, so that each network finds its own again
const state = {
  kind: "", first: "", factor: 1, reduced: "", tool: "brush", undo: [], redo: [],
  from: null, pointer: null, // where a stroke is, and whose
  version: 0, // of what is on the sheet
};
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
export function use(kind, first, factor) {
  closeCamera();
  lift();
  if (state.first) {
    sheets.set(state.first, { now: snapshot(), undo: state.undo, redo: state.redo });
  }
  const { now, undo, redo } = sheets.get(first) ?? { now: null, undo: [], redo: [] };
  Object.assign(state, { kind, first, factor, undo, redo, reduced: "" });
  $("ink-label").hidden = onWhite();
  if (now) restore(now);
  else {
    lay(null, SIDE, SIDE);
    sample(false);
  }
  mark();
}

// For what comes later: what to do if until then nobody has drawn or opened another.
function unlessChanged() {
  const { version } = state;
  return (action) => version === state.version && action();
}

const onWhite = () => state.kind === "drawing"; // black lines, whatever lies under them

// -------------------------------------------------------------------------------------------- undo

function snapshot() {
  return { ink: picture(), base: under };
}

function remember() {
  state.undo.push(snapshot());
  const most = Math.max(2, Math.min(STEPS, MOST / (canvas.width * canvas.height)));
  while (state.undo.length > most) state.undo.shift();
  state.redo = [];
  mark();
}

function restore({ ink, base }) {
  fit(canvas, ink.width, ink.height);
  pen.putImageData(ink, 0, 0);
  under = base;
  changed();
}

function changed() {
  state.version++;
  tell.changed();
}

export function step(from, to) {
  lift();
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
  if (event.button > 0 || !event.isPrimary) return;
  canvas.setPointerCapture(event.pointerId);
  remember();
  Object.assign(state, { from: place(event), pointer: event.pointerId });
  line(state.from, state.from, pressure(event));
});
canvas.addEventListener("pointermove", (event) => {
  if (!state.from || event.pointerId !== state.pointer) return;
  const all = event.getCoalescedEvents?.() ?? [];
  for (const one of all.length ? all : [event]) {
    const to = place(one);
    line(state.from, to, pressure(one));
    state.from = to;
  }
  changed();
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    if (!state.from || event.pointerId !== state.pointer) return;
    state.from = null;
    changed();
  });
}

// Ends a stroke, of the mouse or of the keys.
function lift() {
  state.from = null;
  key.down = false;
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
      changed();
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

// A picture on the sheet: white under what is transparent, and no larger than fits.
function lay(source, width, height) {
  lift();
  const largest = onWhite() ? DRAWING : LARGEST / state.factor;
  const scale = Math.min(1, largest / Math.max(width, height));
  const [wide, high] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  under = document.createElement("canvas");
  for (const one of [under, canvas]) {
    const paint = fit(one, wide, high);
    paint.fillStyle = "#ffffff";
    paint.fillRect(0, 0, wide, high);
    paint.imageSmoothingQuality = "high";
    if (source) paint.drawImage(source, 0, 0, wide, high);
  }
  const reduced = `Your picture was reduced from ${width} × ${height} to ${wide} × ${high}.`;
  state.reduced = scale < 1 ? reduced : "";
  changed();
}

// What there is to say of the sheet.
export function note() {
  return state.reduced;
}

async function open(blob) {
  state.version++; // what was asked for before and is not there yet is not wanted any more
  const then = unlessChanged();
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    tell.say("That is no picture that the browser can read.", true);
    return;
  }
  then(() => {
    remember();
    lay(bitmap, bitmap.width, bitmap.height);
  });
}

// Lays the sample on the sheet, which until then stays as it is.
async function sample(asked) {
  const then = unlessChanged();
  try {
    const answer = await fetch(state.first);
    const bitmap = await createImageBitmap(await answer.blob());
    then(() => {
      if (asked) remember();
      lay(bitmap, bitmap.width, bitmap.height);
    });
  } catch (error) {
    tell.say(`The sample cannot be opened: ${error.message}`, true);
  }
}

$("sample").onclick = () => sample(true);
$("clear").onclick = () => {
  remember();
  lay(null, SIDE, SIDE);
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

let stream = null, opened = 0;

function closeCamera() {
  opened++; // one that was asked for and is not there yet is not wanted any more
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  $("camera").hidden = $("shoot").hidden = true;
  canvas.hidden = false;
  $("open-camera").textContent = "Camera";
}

$("open-camera").onclick = async () => {
  const close = stream;
  closeCamera();
  if (close) return;
  const number = opened;
  try {
    const given = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment" },
    });
    if (number === opened) stream = given;
    else given.getTracks().forEach((track) => track.stop());
  } catch (error) {
    tell.say(`There is no camera for this page (${error.message}).`, true);
  }
  if (!stream || number !== opened) return;
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
};
