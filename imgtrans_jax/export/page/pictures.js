// What imgtrans_jax does to pictures before and behind a network, to the same grey levels:
// io/images.py (Pillow's bicubic filter) and inference/drawings.py. Pictures are
// {width, height, data}, data of 3 bytes a pixel, or 3 floats in [0, 1].

const BITS = 22; // of a weight, as Pillow has them for bytes

function bicubic(x) {
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? -0.5 * (((x - 5) * x + 8) * x - 4) : 0;
}

// For every pixel of the result: the first pixel that it is made of, and their weights.
function taps(before, after, bytes) {
  const scale = before / after, wide = Math.max(scale, 1), reach = 2 * wide;
  return Array.from({ length: after }, (_, at) => {
    const center = (at + 0.5) * scale;
    const first = Math.max(Math.trunc(center - reach + 0.5), 0);
    const end = Math.min(Math.trunc(center + reach + 0.5), before);
    const weights = [];
    for (let i = first; i < end; i++) weights.push(bicubic((i - center + 0.5) / wide));
    const sum = weights.reduce((a, b) => a + b, 0);
    const shares = weights.map((weight) => weight / sum);
    if (!bytes) return [first, shares];
    return [first, shares.map((w) => Math.trunc(w * 2 ** BITS + (w < 0 ? -0.5 : 0.5)))];
  });
}

// Of bytes, rounded as Pillow rounds them; or of floats in [0, 1].
export function resize(picture, width, height) {
  if (width !== picture.width) picture = resizedAlong(picture, width, picture.height, true);
  if (height !== picture.height) picture = resizedAlong(picture, width, height, false);
  return picture;
}

function resizedAlong(picture, width, height, across) {
  const bytes = !(picture.data instanceof Float32Array);
  const data = new picture.data.constructor(3 * width * height);
  const all = across ? taps(picture.width, width, bytes) : taps(picture.height, height, bytes);
  const step = across ? 3 : 3 * picture.width;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [first, weights] = all[across ? x : y];
      const from = across ? 3 * (y * picture.width + first) : 3 * (first * picture.width + x);
      const to = 3 * (y * width + x);
      for (let c = 0; c < 3; c++) {
        let sum = bytes ? 2 ** (BITS - 1) : 0;
        for (let i = 0; i < weights.length; i++) {
          sum += picture.data[from + c + i * step] * weights[i];
        }
        data[to + c] = bytes ? sum >> BITS : sum;
      }
    }
  }
  return { width, height, data };
}

// Lines made broader by a minimum over size x size pixels, as scipy.ndimage.minimum_filter has it.
export function broadened(picture, size) {
  if (size < 2) return picture;
  const mirror = (i, n) => (i < 0 ? -1 - i : i >= n ? 2 * n - 1 - i : i); // the edge itself twice
  return filtered(picture, Math.trunc(size / 2), size, mirror, minimum);
}

const minimum = (values, first, last) => {
  let least = values[first];
  for (let i = first + 1; i < last; i++) if (values[i] < least) least = values[i];
  return least;
};
const maximum = (values, first, last) => {
  let most = values[first];
  for (let i = first + 1; i < last; i++) if (values[i] > most) most = values[i];
  return most;
};

// What `reduce` makes of `size` neighbours of every pixel, from `before` of them on: along rows,
// then along columns. `beyond` gives the place that stands for one beyond the edge.
function filtered({ width, height, data }, before, size, beyond, reduce) {
  const along = (from, length, lines, step, across) => {
    const made = new from.constructor(from.length), values = new Float64Array(length + size);
    for (let line = 0; line < lines; line++) {
      for (let c = 0; c < 3; c++) {
        const origin = line * across + c;
        for (let i = 0; i < values.length; i++) {
          values[i] = from[origin + step * beyond(i - before, length)];
        }
        for (let at = 0; at < length; at++) {
          made[origin + at * step] = reduce(values, at, at + size);
        }
      }
    }
    return made;
  };
  const rows = along(data, width, height, 3, 3 * width);
  return { width, height, data: along(rows, height, width, 3 * width, 3) };
}

function brightness({ data }) {
  const made = new Float32Array(data.length / 3), most = data instanceof Float32Array ? 1 : 255;
  for (let i = 0; i < made.length; i++) {
    made[i] = (0.299 * data[3 * i] + 0.587 * data[3 * i + 1] + 0.114 * data[3 * i + 2]) / most;
  }
  return made;
}

// ------------------------------------------------------------------------------------- drawings.py

const SMALL = 192, WINDOW = 21, WHITE = 0.97, MOSTLY = 0.4, DARK = 0.3, PAPER = 0.86, INK = 0.02;

export function hasWhitePaper(drawing) {
  const tone = brightness(drawing);
  return tone.reduce((count, t) => count + (t > WHITE), 0) > MOSTLY * tone.length;
}

// A photographed or scanned drawing on white: divided by the light of its paper.
export function withCleanPaper(drawing) {
  const { width, height } = drawing;
  let unit = { width, height, data: Float32Array.from(drawing.data, (level) => level / 255) };
  if (quantile(brightness(unit), 0.5) < DARK) unit = { ...unit, data: unit.data.map((x) => 1 - x) };
  const light = lightOf(unit);
  const flat = unit.data.map((x, i) => Math.min(x / Math.max(light.data[i], 1e-3), 1));
  const tone = brightness({ data: flat }), ink = tone.filter((t) => t < 0.7 * PAPER);
  const black = ink.length > 1e-4 * tone.length ? quantile(ink, INK) : 0;
  const data = new Uint8ClampedArray(flat.length); // which rounds, and cuts
  for (let i = 0; i < data.length; i++) data[i] = (255 * (flat[i] - black)) / (PAPER - black);
  return { width, height, data };
}

// Of the paper: what stays of a small copy when all that is dark and narrow is gone, smoothed.
function lightOf(unit) {
  const { width, height } = unit, scale = Math.min(1, SMALL / Math.min(width, height));
  const sides = [width, height].map((side) => Math.max(1, rounded(side * scale)));
  const near = (i, n) => Math.min(Math.max(i, 0), n - 1), half = (WINDOW - 1) / 2;
  let light = cut(resize(unit, ...sides));
  for (const reduce of [maximum, minimum]) light = filtered(light, half, WINDOW, near, reduce);
  const sigma = WINDOW / 6, reach = Math.trunc(4 * sigma + 0.5);
  const bell = Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-0.5 * ((i - reach) / sigma) ** 2),
  );
  const sum = bell.reduce((a, b) => a + b, 0);
  const mean = (values, first) =>
    bell.reduce((total, weight, i) => total + weight * values[first + i], 0) / sum;
  light = filtered(light, reach, bell.length, near, mean);
  return cut(resize(light, width, height));
}

function cut(picture) {
  return { ...picture, data: picture.data.map((x) => Math.min(Math.max(x, 0), 1)) };
}

function quantile(values, share) {
  const sorted = Float32Array.from(values).sort(), at = share * (sorted.length - 1);
  const low = Math.floor(at), high = Math.ceil(at);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}

// To the nearest whole number, halves to the even one, as Python's round.
export function rounded(x) {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + (low % 2) : Math.round(x);
}

const UNIT = Float32Array.from({ length: 256 }, (_, level) => level / 255);
const OPAQUE = 1.2, LINE = 0.6, GAP = 100, NEAR = 0.2, AGREE = 0.2;
const SEEN = 200, ALIKE = Math.fround(0.12), GRAY = Math.fround(0.15), STAIN = 0.01;

// The result with the drawing's own lines over it.
export function withInk(result, drawing) {
  const tone = brightness(drawing), data = new Uint8ClampedArray(result.data.length);
  for (let i = 0; i < data.length; i++) {
    const opaque = Math.min(1, OPAQUE * (1 - tone[Math.trunc(i / 3)]));
    data[i] = result.data[i] * (1 - opaque) + drawing.data[i] * opaque;
  }
  return { ...result, data };
}

// Every shape that lines close in one color: that which most of it is near, vivid ones a little
// sooner, if a fifth of it is near it. The background loses faint stains, and small ones that touch
// no line.
export function withFlatFills(result, drawing) {
  const { width, height } = result, count = width * height;
  const turns = Math.max(1, Math.trunc(Math.min(width, height) / (2 * GAP)));
  const lines = Uint8Array.from(brightness(drawing), (t) => t < LINE);
  const walls = dilated(lines, width, height, turns);
  const { shapes, number } = labelled(walls, width, height);
  if (!number) return result;
  if (!walls.includes(1)) {
    return { ...result, data: new Uint8ClampedArray(3 * count).fill(255) };
  }
  const main = mainColors(result.data, shapes, number);
  const nearest = nearestShape(shapes, width, height);
  const inside = new Uint8Array(number + 1).fill(1);
  const sizes = new Float64Array(number + 1), agreeing = new Float64Array(number + 1);
  const apart = new Float32Array(count), near = Math.fround(NEAR); // in floats of 32 bits, as there
  for (let i = 0; i < count; i++) {
    let most = 0;
    for (let c = 0; c < 3; c++) {
      const off = UNIT[result.data[3 * i + c]] - main[3 * nearest[i] + c];
      most = Math.max(most, Math.abs(Math.fround(off)));
    }
    apart[i] = most;
    if (!shapes[i]) continue;
    sizes[shapes[i]]++;
    agreeing[shapes[i]] += most < near;
    const x = i % width;
    if (x === 0 || x === width - 1 || i < width || i >= count - width) inside[shapes[i]] = 0;
  }
  // how far from its shape's color a pixel may be to get it
  const reach = Float32Array.from(sizes, (size, shape) => {
    if (agreeing[shape] < AGREE * size) return 0;
    if (inside[shape]) return Infinity;
    return Math.min(...main.subarray(3 * shape, 3 * shape + 3)) > Math.fround(0.9)
      ? 2 * near : near;
  });
  const filled = apart.map((off, i) => off < reach[nearest[i]]);
  const stains = labelled(filled.map((f, i) => f || inside[nearest[i]]), width, height);
  const areas = new Uint32Array(stains.number + 1);
  for (const stain of stains.shapes) areas[stain]++;
  const kept = areas.map((area) => area > STAIN * count);
  dilated(walls, width, height, 2).forEach((wall, i) => {
    if (wall) kept[stains.shapes[i]] = 1;
  });
  const data = Uint8ClampedArray.from(result.data);
  for (let i = 0; i < count; i++) {
    const stain = stains.shapes[i];
    if (!filled[i] && (!stain || kept[stain])) continue;
    for (let c = 0; c < 3; c++) data[3 * i + c] = 255 * main[3 * nearest[i] + c];
  }
  return { ...result, data };
}

// What is set and what is near it, up and down and to the sides.
function dilated(walls, width, height, turns) {
  for (let turn = 0; turn < turns; turn++) {
    const wider = new Uint8Array(walls.length);
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        wider[i] =
          walls[i] || (x && walls[i - 1]) || (x < width - 1 && walls[i + 1]) ||
          (y && walls[i - width]) || (y < height - 1 && walls[i + width]);
      }
    }
    walls = wider;
  }
  return walls;
}

// Numbers, from 1, of what is connected and no wall; 0 for walls.
function labelled(walls, width, height) {
  const shapes = new Int32Array(walls.length), stack = [];
  let number = 0;
  for (let start = 0; start < walls.length; start++) {
    if (walls[start] || shapes[start]) continue;
    shapes[start] = ++number;
    stack.push(start);
    while (stack.length) {
      const i = stack.pop(), x = i % width;
      const next = [i - width, i + width];
      if (x > 0) next.push(i - 1);
      if (x < width - 1) next.push(i + 1);
      for (const j of next) {
        if (j < 0 || j >= walls.length || walls[j] || shapes[j]) continue;
        shapes[j] = number;
        stack.push(j);
      }
    }
  }
  return { shapes, number };
}

// Of each shape the mean of the pixels that are near the one that most are near, 3 numbers in
// [0, 1] each.
function mainColors(data, shapes, number) {
  const places = Array.from({ length: number + 1 }, () => []);
  shapes.forEach((shape, i) => places[shape].push(i));
  const main = new Float32Array(3 * (number + 1));
  places.forEach((own, shape) => {
    if (!shape) return;
    const count = Math.min(own.length, SEEN);
    const some = Array.from({ length: count }, (_, k) => {
      const at = 3 * own[Math.floor((k * own.length) / count)];
      return [UNIT[data[at]], UNIT[data[at + 1]], UNIT[data[at + 2]]];
    });
    const alike = (p, q) => p.every((x, c) => Math.abs(Math.fround(x - q[c])) < ALIKE);
    let best = -1, those = [];
    for (const p of some) {
      const near = some.filter((q) => alike(p, q));
      const vivid = Math.fround(Math.max(...p) - Math.min(...p));
      const worth = near.length * Math.fround(GRAY + vivid);
      if (worth > best) [best, those] = [worth, near];
    }
    for (let c = 0; c < 3; c++) {
      main[3 * shape + c] = those.reduce((sum, q) => sum + q[c], 0) / those.length;
    }
  });
  return main;
}

// Of every pixel the shape that is nearest: the distance transform of Felzenszwalb and
// Huttenlocher, columns before rows.
function nearestShape(shapes, width, height) {
  const far = width + height, row = new Int32Array(shapes.length).fill(-far);
  for (let x = 0; x < width; x++) {
    for (let y = 0, last = -far; y < height; y++) {
      if (shapes[y * width + x]) last = y;
      row[y * width + x] = last;
    }
    for (let y = height - 1, last = 2 * far + height; y >= 0; y--) {
      const at = y * width + x;
      if (shapes[at]) last = y;
      if (last - y < y - row[at]) row[at] = last;
    }
  }
  const found = new Int32Array(shapes.length);
  const parabolas = new Int32Array(width), starts = new Float64Array(width + 1);
  for (let y = 0; y < height; y++) {
    const high = (x) => (row[y * width + x] - y) ** 2;
    let top = -1;
    for (let x = 0; x < width; x++) {
      if (Math.abs(row[y * width + x] - y) >= far) continue; // a column that is wall all along
      let meet = -Infinity;
      while (top >= 0) {
        const p = parabolas[top];
        meet = (high(x) + x * x - high(p) - p * p) / (2 * (x - p));
        if (meet > starts[top]) break;
        top--;
        meet = -Infinity;
      }
      parabolas[++top] = x;
      starts[top] = meet;
    }
    for (let x = 0, at = 0; x < width; x++) {
      while (at < top && starts[at + 1] < x) at++;
      const p = parabolas[at];
      found[y * width + x] = shapes[row[y * width + p] * width + p];
    }
  }
  return found;
}
