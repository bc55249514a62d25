// Runs networks, away from the page, so that drawing never waits for them.

import * as ort from "./runtime/ort.wasm.bundle.min.mjs";
import { broadened, resize, withFlatFills, withInk } from "./pictures.js";

ort.env.wasm.wasmPaths = new URL("runtime/", self.location.href).href;
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 8) : 1;

const sessions = new Map();

function session(file) {
  if (!sessions.has(file)) {
    const made = ort.InferenceSession.create(new URL(file, self.location.href).href);
    made.catch(() => sessions.delete(file)); // tried again, should it be wanted again
    sessions.set(file, made);
  }
  return sessions.get(file);
}

function withoutAlpha({ width, height, data }) {
  const rgb = new Uint8ClampedArray(3 * width * height);
  for (let i = 0; i < width * height; i++) rgb.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
  return { width, height, data: rgb };
}

function tensor({ width, height, data }) {
  const values = new Float32Array(data.length), count = width * height;
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) values[c * count + i] = data[3 * i + c] / 127.5 - 1;
  }
  return new ort.Tensor("float32", values, [1, 3, height, width]);
}

function rounded(value) {
  const levels = (Math.min(Math.max(value, -1), 1) + 1) * 127.5;
  return levels; // a Uint8ClampedArray rounds to the nearest, halves to even, as numpy.rint
}

function pictureOf({ dims, data }) {
  const [, channels, height, width] = dims, count = width * height;
  const rgb = new Uint8ClampedArray(3 * count);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) {
      rgb[3 * i + c] = rounded(data[(channels === 3 ? c : 0) * count + i]);
    }
  }
  return { width, height, data: rgb };
}

async function translated({ network, picture, size, weights }) {
  const rgb = withoutAlpha(picture), shorter = Math.min(rgb.width, rgb.height);
  const scale = size ? size / shorter : 1;
  const width = Math.max(1, Math.round(rgb.width * scale));
  const height = Math.max(1, Math.round(rgb.height * scale));
  const drawing = network.takes === "drawing";
  const broad = drawing ? Math.round(rgb.height / height / 2) : 0;
  const seen = resize(broadened(rgb, broad), width, height);
  const inputs = { image: tensor(seen) };
  if (network.looks.length) {
    inputs.looks = new ort.Tensor("float32", Float32Array.from(weights), [1, weights.length]);
  }
  const started = performance.now();
  const { result } = await (await session(network.file)).run(inputs);
  const seconds = (performance.now() - started) / 1000;
  let made = pictureOf(result);
  if (drawing) {
    made = resize(made, network.factor * rgb.width, network.factor * rgb.height);
    const lines = resize(rgb, made.width, made.height);
    made = withInk(withFlatFills(made, lines), lines);
  }
  return { made, seconds, seen: { width, height } };
}

let last = Promise.resolve();

self.onmessage = ({ data }) => {
  const work = async () => {
    const started = performance.now();
    try {
      const answer = await translated(data);
      const all = (performance.now() - started) / 1000;
      self.postMessage({ id: data.id, all, threads: ort.env.wasm.numThreads, ...answer });
    } catch (error) {
      self.postMessage({ id: data.id, error: String(error?.message ?? error) });
    }
  };
  last = last.then(work);
};
