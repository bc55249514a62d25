// Runs networks, away from the page, so that drawing never waits for them.

import * as ort from "./runtime/ort.wasm.bundle.min.mjs";
import {
  broadened, hasWhitePaper, resize, rounded, withCleanPaper, withFlatFills, withInk,
} from "./pictures.js";

// The bundle has its own module; a folder here would make it look for another.
const machine = new URL("runtime/ort-wasm-simd-threaded.wasm", self.location.href);
ort.env.wasm.wasmPaths = { wasm: machine.href };
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 8) : 1;

const LUMA = [0.299, 0.587, 0.114]; // as io/color.py
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

function tensor({ width, height, data }, channels) {
  const count = width * height, values = new Float32Array(channels * count);
  for (let i = 0; i < count; i++) {
    const color = data.subarray(3 * i, 3 * i + 3);
    if (channels === 1) values[i] = LUMA.reduce((sum, w, c) => sum + w * color[c], 0) / 127.5 - 1;
    else for (let c = 0; c < 3; c++) values[c * count + i] = color[c] / 127.5 - 1;
  }
  return new ort.Tensor("float32", values, [1, channels, height, width]);
}

function pictureOf({ dims, data }) {
  const [, channels, height, width] = dims, count = width * height;
  const rgb = new Uint8ClampedArray(3 * count); // which rounds halves to even, and cuts
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) {
      rgb[3 * i + c] = (data[(channels === 3 ? c : 0) * count + i] + 1) * 127.5;
    }
  }
  return { width, height, data: rgb };
}

async function translated({ network, picture, size, weights, fine }) {
  const drawing = network.takes === "drawing";
  let rgb = withoutAlpha(picture);
  if (drawing && !hasWhitePaper(rgb)) rgb = withCleanPaper(rgb);
  const scale = size / Math.min(rgb.width, rgb.height);
  const [width, height] = [rgb.width, rgb.height].map((n) => Math.max(1, rounded(n * scale)));
  const broad = drawing ? rounded(rgb.height / height / 2) : 0;
  const seen = resize(broadened(rgb, broad), width, height);
  const inputs = { image: tensor(seen, network.channels) };
  if (network.looks.length) {
    inputs.looks = new ort.Tensor("float32", Float32Array.from(weights), [1, weights.length]);
  }
  const started = performance.now();
  const { result } = await (await session(network.file)).run(inputs);
  const seconds = (performance.now() - started) / 1000;
  let made = pictureOf(result);
  if (fine) made = resize(made, network.factor * rgb.width, network.factor * rgb.height);
  if (drawing) {
    const lines = resize(rgb, made.width, made.height);
    made = withInk(withFlatFills(made, lines), lines);
  }
  return { made, seconds, seen: { width, height } };
}

let last = Promise.resolve();

self.onmessage = ({ data }) => {
  const work = async () => {
    const started = performance.now();
    const told = { id: data.id, name: data.network.name, fine: data.fine };
    try {
      const answer = await translated(data);
      const all = (performance.now() - started) / 1000;
      self.postMessage({ ...told, all, threads: ort.env.wasm.numThreads, ...answer });
    } catch (error) {
      self.postMessage({ ...told, error: String(error?.message ?? error) });
    }
  };
  last = last.then(work);
};
