"""The page of the perceptual study. Imports nothing here."""

from __future__ import annotations

STUDY_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>@TITLE@</title><meta name="viewport" content="width=device-width">
<style>
body{font:17px/1.5 system-ui,sans-serif;margin:0;color:#222;background:#f4f4f4;text-align:center}
main{max-width:900px;margin:3rem auto;padding:0 1rem}
#pair{display:flex;justify-content:center;gap:2rem;margin:1.5rem 0;min-height:16rem}
#pair button{all:unset;cursor:pointer;border:3px solid #ccc;border-radius:6px;display:flex;align-items:center;
 justify-content:center;overflow:hidden;background:#fff}
#pair button:focus-visible{border-color:#2563eb}#pair button.right{border-color:#059669}#pair button.wrong{border-color:#dc2626}
#pair img{display:block}#pair .hidden img{visibility:hidden}
.go{font:inherit;padding:.5em 1.6em;border:0;border-radius:6px;background:#2563eb;color:#fff;cursor:pointer}
[hidden]{display:none!important}#message{min-height:3em}progress{width:60%}small{color:#666}a.go{text-decoration:none;display:inline-block}
</style></head><body><main>
<h1>Which picture is real?</h1>
<p id="message"></p><div id="pair" hidden><button id="left" aria-label="left"></button>
<button id="right" aria-label="right"></button></div>
<p><button class="go" id="next">Begin</button></p><p><progress id="progress" value="0" max="1"></progress></p>
<small id="count"></small></main>
<script id="data" type="application/json">@DATA@</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);
const random = n => Math.floor(Math.random() * n);
function shuffled(list) {
  const copy = list.slice();
  for (let i = copy.length - 1; i > 0; i--) { const j = random(i + 1); [copy[i], copy[j]] = [copy[j], copy[i]]; }
  return copy;
}
// Pictures in a random order, all of them before any comes again.
function dealer(pictures) {
  let left = [];
  return () => { if (!left.length) left = shuffled(pictures); return left.pop(); };
}
const total = data.practice + data.scored;
const chosen = data.mixed ? shuffled(data.methods) : [data.methods[random(data.methods.length)]];
const fake = new Map(chosen.map(m => [m.name, dealer(m.pictures)]));
const real = dealer(data.real);
const plan = [];
for (let i = 0; i < total; i++) {
  const method = chosen[i % chosen.length].name;
  const realSide = random(2) ? "left" : "right";
  plan.push({method, real: real(), fake: fake.get(method)(), realSide, scored: i >= data.practice});
}
const participant = Array.from(crypto.getRandomValues(new Uint8Array(6)), b => b.toString(16).padStart(2, "0")).join("");
const trials = [];
let number = 0, shownAt = 0, open = false;

function say(text) { at("message").textContent = text; }
function count() {
  at("progress").value = trials.length / total;
  at("count").textContent = number < data.practice ? `practice ${number + 1} of ${data.practice}`
    : `${number - data.practice + 1} of ${data.scored}`;
}
function show() {
  const trial = plan[number];
  at("next").hidden = true; at("pair").hidden = false; say("Look …"); count(); open = false;
  const ready = ["left", "right"].map(side => {
    const button = at(side), image = new Image();
    button.className = ""; button.disabled = true;
    image.src = (side === trial.realSide ? trial.real : trial.fake).src;
    button.replaceChildren(image);
    return image.decode();
  });
  // The second begins when both are on the screen.
  Promise.all(ready).then(() => requestAnimationFrame(() => setTimeout(ask, 1000 * data.seconds)));
}
function ask() {
  for (const side of ["left", "right"]) { at(side).className = "hidden"; at(side).disabled = false; }
  say("Which one was real? Click its place, or press the left or right arrow key.");
  shownAt = performance.now(); open = true;
}
function answer(side) {
  if (!open) return;
  open = false;
  const trial = plan[number], fooled = side !== trial.realSide;
  trials.push({method: trial.method, real: trial.real.name, fake: trial.fake.name, chosen: side, fooled, scored: trial.scored,
    ms: Math.round(performance.now() - shownAt)});
  if (trial.scored) { forward(); return; }
  for (const s of ["left", "right"]) { at(s).className = s === trial.realSide ? "right" : "wrong"; at(s).disabled = true; }
  say(fooled ? "No: the other one was real (green)." : "Yes, that one was real.");
  at("next").textContent = "Next"; at("next").hidden = false;
}
function forward() {
  number++;
  if (number === total) { finish(); return; }
  if (number === data.practice && data.practice) {
    at("pair").hidden = true; at("next").hidden = false; at("next").textContent = "Begin"; count();
    say(`The practice is over. Now ${data.scored} pairs that count, without a word whether you were right.`);
    return;
  }
  show();
}
function finish() {
  at("pair").hidden = true; at("next").hidden = true; at("count").textContent = ""; at("progress").value = 1;
  const finished = new Date().toISOString();
  const result = {format: data.format, study: data.study, participant, seconds: data.seconds, finished, trials};
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(result, null, 1)], {type: "application/json"}));
  link.download = `answers_${data.study}_${participant}.json`;
  link.className = "go"; link.id = "download"; link.textContent = "Save my answers";
  const counted = trials.filter(t => t.scored), fooled = counted.filter(t => t.fooled).length;
  say(`Thank you. You took ${fooled} of ${counted.length} made pictures for real. Please save your answers and send the file ` +
    "to whoever gave you this page.");
  at("message").after(link);
}
at("next").addEventListener("click", () => {
  if (trials.length > number) forward(); else show();
});
for (const side of ["left", "right"]) at(side).addEventListener("click", () => answer(side));
addEventListener("keydown", event => {
  if (event.key === "ArrowLeft") answer("left");
  else if (event.key === "ArrowRight") answer("right");
  else if ((event.key === "Enter" || event.key === " ") && !at("next").hidden && document.activeElement === document.body)
    at("next").click();
});
addEventListener("beforeunload", event => { if (trials.length && trials.length < total) event.preventDefault(); });
const span = data.seconds === 1 ? "one second" : data.seconds + " seconds";
say(`You will see ${total} pairs of pictures, each for ${span}. One of a pair is real, the other was made by a computer. ` +
  "Say which one was real. " +
  (data.practice ? `The first ${data.practice} are practice.` : ""));
</script></body></html>
"""
