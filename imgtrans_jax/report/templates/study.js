// The study: shows pairs, asks which was real, and offers the answers as a file at the end.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const sides = ["left", "right"];
const at = id => document.getElementById(id);
const random = n => Math.floor(Math.random() * n);

function shuffled(list) {
  const copy = list.slice();
  for (let i = copy.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

// Pictures in a random order, all of them before any comes again.
function dealer(pictures) {
  let left = [];
  return () => {
    if (!left.length) left = shuffled(pictures);
    return left.pop();
  };
}

// What will be shown
const total = data.practice + data.scored;
const chosen = data.mixed ? shuffled(data.methods) : [data.methods[random(data.methods.length)]];
const fake = new Map(chosen.map(m => [m.name, dealer(m.pictures)]));
const real = dealer(data.real);
const plan = [];
for (let i = 0; i < total; i++) {
  const method = chosen[i % chosen.length].name;
  const realSide = sides[random(2)];
  plan.push({method, real: real(), fake: fake.get(method)(), realSide, scored: i >= data.practice});
}
const participant = Array.from(
  crypto.getRandomValues(new Uint8Array(6)), b => b.toString(16).padStart(2, "0")).join("");
const trials = [];
let number = 0, shownAt = 0, open = false;

function say(text) {
  at("message").textContent = text;
}

function count() {
  at("progress").value = trials.length / total;
  at("count").textContent = number < data.practice
    ? `practice ${number + 1} of ${data.practice}`
    : `${number - data.practice + 1} of ${data.scored}`;
}

function show() {
  const trial = plan[number];
  at("next").hidden = true;
  at("pair").hidden = false;
  say("Look …");
  count();
  open = false;
  const ready = sides.map(side => {
    const button = at(side), image = new Image();
    button.className = "";
    button.disabled = true;
    image.src = (side === trial.realSide ? trial.real : trial.fake).src;
    button.replaceChildren(image);
    return image.decode();
  });
  // The second begins when both are on the screen.
  Promise.all(ready).then(() => requestAnimationFrame(() => setTimeout(ask, 1000 * data.seconds)));
}

function ask() {
  for (const side of sides) {
    at(side).className = "hidden";
    at(side).disabled = false;
  }
  say("Which one was real? Click its place, or press the left or right arrow key.");
  shownAt = performance.now();
  open = true;
}

function answer(side) {
  if (!open) return;
  open = false;
  const trial = plan[number], fooled = side !== trial.realSide;
  trials.push({
    method: trial.method, real: trial.real.name, fake: trial.fake.name, chosen: side, fooled,
    scored: trial.scored, ms: Math.round(performance.now() - shownAt),
  });
  if (trial.scored) {
    forward();
    return;
  }
  for (const s of sides) {
    at(s).className = s === trial.realSide ? "right" : "wrong";
    at(s).disabled = true;
  }
  say(fooled ? "No: the other one was real (green)." : "Yes, that one was real.");
  at("next").textContent = "Next";
  at("next").hidden = false;
}

function forward() {
  number++;
  if (number === total) {
    finish();
    return;
  }
  if (number === data.practice && data.practice) {
    at("pair").hidden = true;
    at("next").hidden = false;
    at("next").textContent = "Begin";
    count();
    say(`The practice is over. Now ${data.scored} pairs that count, ` +
      "without a word whether you were right.");
    return;
  }
  show();
}

function finish() {
  at("pair").hidden = true;
  at("next").hidden = true;
  at("count").textContent = "";
  at("progress").value = 1;
  const result = {
    format: data.format, study: data.study, participant, seconds: data.seconds,
    finished: new Date().toISOString(), trials,
  };
  const text = JSON.stringify(result, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
  link.download = `answers_${data.study}_${participant}.json`;
  link.className = "go";
  link.id = "download";
  link.textContent = "Save my answers";
  const counted = trials.filter(t => t.scored), fooled = counted.filter(t => t.fooled).length;
  say(`Thank you. You took ${fooled} of ${counted.length} made pictures for real. ` +
    "Please save your answers and send the file to whoever gave you this page.");
  at("message").after(link);
}

at("next").addEventListener("click", () => {
  if (trials.length > number) forward();
  else show();
});
for (const side of sides) at(side).addEventListener("click", () => answer(side));
addEventListener("keydown", event => {
  const go = event.key === "Enter" || event.key === " ";
  if (event.key === "ArrowLeft") answer("left");
  else if (event.key === "ArrowRight") answer("right");
  else if (go && !at("next").hidden && document.activeElement === document.body) at("next").click();
});
addEventListener("beforeunload", event => {
  if (trials.length && trials.length < total) event.preventDefault();
});

const span = data.seconds === 1 ? "one second" : `${data.seconds} seconds`;
say(`You will see ${total} pairs of pictures, each for ${span}. One of a pair is real, the other ` +
  "was made by a computer. Say which one was real. " +
  (data.practice ? `The first ${data.practice} are practice.` : ""));
