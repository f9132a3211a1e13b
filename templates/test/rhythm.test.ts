import assert from "node:assert/strict";
import test from "node:test";
import { nearestSlot, Rhythm, type Slots } from "../src/rhythm";

const TICK_MS = 1000 / 60;

/** Pictures of `fps` that arrive up to `jitterMs` early or late; the first one `firstMs` after a tick. */
function slotsOf(fps: number, firstMs: number, jitterMs = 0, count = 16): Slots | undefined {
  const rhythm = new Rhythm();
  let seed = 1;
  for (let n = 0; n < count; n++) {
    seed = (seed * 48271) % 2147483647;
    const jitter = jitterMs * ((2 * seed) / 2147483647 - 1);
    const arrivedMs = 5000 * TICK_MS + firstMs + (n * 1000) / fps + jitter;
    rhythm.add(arrivedMs, Math.ceil(arrivedMs / TICK_MS + 6) * TICK_MS, TICK_MS);
  }
  return rhythm.slots();
}

/** How far two waits are apart, but for multiples of the interval. */
function apartMs(slots: Slots | undefined, waitMs: number): number {
  assert.ok(slots !== undefined);
  return Math.abs(nearestSlot(slots, waitMs) - waitMs);
}

test("a wait that is later by how much sooner pictures arrive is as good", () => {
  const first = slotsOf(30, 0);
  assert.ok(first !== undefined);
  for (const fps of [15, 30, 60]) {
    for (let firstMs = 0; firstMs < 40; firstMs += 0.7)
      assert.ok(apartMs(slotsOf(fps, firstMs), first.atMs - firstMs) < 0.01);
  }
});

test("slots are as far apart as ticks", () => {
  assert.equal(slotsOf(30, 3)?.everyMs, TICK_MS);
});

test("what arrives at a tick is due mid-way between two, however far apart they are", () => {
  for (const everyMs of [TICK_MS, 2 * TICK_MS]) {
    const rhythm = new Rhythm();
    for (let n = 0; n < 16; n++) rhythm.add(n * 2 * TICK_MS, n * 2 * TICK_MS, everyMs);
    assert.ok(apartMs(rhythm.slots(), everyMs / 2 + 12) < 0.01);
  }
});

test("jitter is averaged", () => {
  const steady = slotsOf(30, 5);
  assert.ok(steady !== undefined);
  assert.ok(apartMs(slotsOf(30, 5, 4), steady.atMs) < 2);
});

test("what comes in a rhythm of its own has no slots", () => {
  for (const fps of [7, 24, 25, 50]) assert.equal(slotsOf(fps, 2), undefined, `${fps}`);
  assert.equal(slotsOf(30, 2, TICK_MS), undefined);
});

test("a few pictures say nothing yet", () => {
  assert.equal(slotsOf(30, 2, 0, 3), undefined);
  assert.ok(slotsOf(30, 2, 0, 4) !== undefined);
});

test("ticks of another rate begin anew", () => {
  const rhythm = new Rhythm();
  for (let n = 0; n < 16; n++) rhythm.add(n * 40, n * 40 + 3, 40);
  assert.equal(rhythm.slots()?.everyMs, 40);
  rhythm.add(0, 3, 20);
  assert.equal(rhythm.slots(), undefined);
});

test("the nearest slot is at most half an interval away", () => {
  const slots = { atMs: 103, everyMs: 20 };
  assert.equal(nearestSlot(slots, 103), 103);
  assert.equal(nearestSlot(slots, 112), 103);
  assert.equal(nearestSlot(slots, 114), 123);
  assert.equal(nearestSlot(slots, -6), 3);
});
