import assert from "node:assert/strict";
import test from "node:test";
import {
  fitCamera,
  gapOf,
  GRID_SIZE,
  nameLayout,
  parseLayout,
  placeGrid,
  placeSpeaker,
  type Rect,
  STRIP_SIZE,
} from "../src/layout";

const CANVASES = [
  { width: 1280, height: 720 },
  { width: 1920, height: 1080 },
  { width: 720, height: 1280 },
  { width: 640, height: 640 },
  { width: 853, height: 479 },
  { width: 1920, height: 200 },
  { width: 64, height: 64 },
];

function overlap(a: Rect, b: Rect): boolean {
  const apart =
    a.left + a.width <= b.left ||
    b.left + b.width <= a.left ||
    a.top + a.height <= b.top ||
    b.top + b.height <= a.top;
  return !apart;
}

function checkPlaces(rects: Rect[], canvas: { width: number; height: number }, what: string): void {
  rects.forEach((rect, i) => {
    assert.ok(Object.values(rect).every(Number.isInteger), `${what}: whole pixels`);
    assert.ok(rect.width > 0 && rect.height > 0, `${what}: has a size`);
    assert.ok(rect.left >= 0 && rect.left + rect.width <= canvas.width, `${what}: ${i} is in, across`);
    assert.ok(rect.top >= 0 && rect.top + rect.height <= canvas.height, `${what}: ${i} is in, down`);
    for (const other of rects.slice(0, i)) assert.ok(!overlap(rect, other), `${what}: overlap`);
  });
}

test("names of layouts", () => {
  assert.deepEqual(parseLayout(""), { kind: "grid", isLight: false });
  assert.deepEqual(parseLayout("grid"), { kind: "grid", isLight: false });
  assert.deepEqual(parseLayout("grid-light"), { kind: "grid", isLight: true });
  assert.deepEqual(parseLayout("speaker-dark"), { kind: "speaker", isLight: false });
  assert.deepEqual(parseLayout("single-speaker"), { kind: "single-speaker", isLight: false });
  assert.deepEqual(parseLayout("single-speaker-light"), { kind: "single-speaker", isLight: true });
  for (const name of ["Grid", "grid-", "grid-light-light", "light", "-light", "constructor", "speaker "])
    assert.equal(parseLayout(name), undefined, name);
});

test("a layout has one name, however it was asked for", () => {
  const names = { "": "grid", "grid-dark": "grid", "grid-light": "grid-light", speaker: "speaker" };
  for (const [asked, name] of Object.entries(names)) {
    const layout = parseLayout(asked);
    assert.ok(layout !== undefined, asked);
    assert.equal(nameLayout(layout), name);
  }
});

test("tiles of a grid lie in the canvas, beside each other, all of one size", () => {
  for (const canvas of CANVASES) {
    for (let count = 0; count <= GRID_SIZE; count++) {
      const what = `${count} in ${canvas.width} x ${canvas.height}`;
      const rects = placeGrid(count, canvas);
      assert.equal(rects.length, count, what);
      if (canvas.width >= 200) checkPlaces(rects, canvas, what);
      for (const rect of rects) {
        assert.equal(rect.width, rects[0]?.width, what);
        assert.equal(rect.height, rects[0]?.height, what);
      }
    }
  }
});

test("one alone has the whole canvas", () => {
  for (const canvas of CANVASES) {
    assert.deepEqual(placeGrid(1, canvas), [{ left: 0, top: 0, ...canvas }]);
    assert.deepEqual(placeSpeaker(0, canvas), [{ left: 0, top: 0, ...canvas }]);
  }
});

test("a grid uses the canvas", () => {
  const [a, b, c, d] = placeGrid(4, { width: 1280, height: 720 });
  assert.deepEqual(a, { left: 8, top: 8, width: 628, height: 348 });
  assert.deepEqual(b, { left: 644, top: 8, width: 628, height: 348 });
  assert.deepEqual(c, { left: 8, top: 364, width: 628, height: 348 });
  assert.deepEqual(d, { left: 644, top: 364, width: 628, height: 348 });

  const columns = (count: number, width: number, height: number) =>
    new Set(placeGrid(count, { width, height }).map((rect) => rect.left)).size;
  assert.equal(columns(2, 1280, 720), 2);
  assert.equal(columns(2, 720, 1280), 1);
  assert.equal(columns(9, 1280, 720), 3);
  assert.equal(columns(6, 1280, 720), 3);
  assert.equal(columns(3, 720, 1280), 1);
  assert.equal(columns(4, 1920, 200), 4);
});

test("a last row that is not full is centred", () => {
  const rects = placeGrid(5, { width: 1280, height: 720 });
  const last = rects.slice(3);
  const left = last[0]?.left ?? 0;
  const right = 1280 - ((last[1]?.left ?? 0) + (last[1]?.width ?? 0));
  assert.ok(Math.abs(left - right) <= 1, `${left} and ${right}`);
  assert.ok(left > (rects[0]?.left ?? 0));
});

test("the speaker is large, the others are in a strip", () => {
  for (const canvas of CANVASES.filter(({ height }) => height >= 479)) {
    for (let others = 1; others <= STRIP_SIZE; others++) {
      const what = `${others} in ${canvas.width} x ${canvas.height}`;
      const rects = placeSpeaker(others, canvas);
      assert.equal(rects.length, others + 1, what);
      checkPlaces(rects, canvas, what);
      const [main, ...strip] = rects;
      for (const rect of strip)
        assert.ok(rect.width * rect.height * 4 < (main?.width ?? 0) * (main?.height ?? 0), what);
    }
  }
  const [wide, beside] = placeSpeaker(1, { width: 1280, height: 720 });
  assert.ok((beside?.left ?? 0) < (wide?.left ?? 0), "beside it");
  const [high, below] = placeSpeaker(1, { width: 720, height: 1280 });
  assert.ok((below?.top ?? 0) > (high?.top ?? 0), "below it");
});

test("the large tile stays where it is when somebody comes into the strip", () => {
  for (const canvas of CANVASES.slice(0, 5)) {
    const [first] = placeSpeaker(1, canvas);
    for (let others = 2; others <= STRIP_SIZE; others++)
      assert.deepEqual(placeSpeaker(others, canvas)[0], first);
  }
});

test("gaps grow with the canvas", () => {
  assert.equal(gapOf({ width: 1280, height: 720 }), 8);
  assert.equal(gapOf({ width: 720, height: 1280 }), 8);
  assert.equal(gapOf({ width: 1920, height: 1080 }), 12);
  assert.equal(gapOf({ width: 100, height: 100 }), 4);
});

test("cameras fill their tiles; upright pictures in wide tiles are whole", () => {
  const tile = { width: 628, height: 348 };
  assert.equal(fitCamera({ width: 640, height: 360 }, tile), "none");
  assert.equal(fitCamera({ width: 628, height: 348 }, tile), "none");
  assert.equal(fitCamera({ width: 1280, height: 720 }, tile), "cover");
  assert.equal(fitCamera({ width: 320, height: 180 }, tile), "cover");
  assert.equal(fitCamera({ width: 640, height: 480 }, tile), "cover");
  assert.equal(fitCamera({ width: 360, height: 640 }, tile), "contain");
  assert.equal(fitCamera({ width: 640, height: 640 }, tile), "contain");
  assert.equal(fitCamera({ width: 1280, height: 720 }, { width: 720, height: 1280 }), "cover");
  assert.equal(fitCamera({ width: 720, height: 1280 }, { width: 720, height: 1280 }), "none");
});
