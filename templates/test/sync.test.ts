import assert from "node:assert/strict";
import test from "node:test";
import { nearestSlot, type Slots } from "../src/rhythm";
import {
  Alignment,
  type Delay,
  displayOf,
  FIRST_WAITS,
  joinStreams,
  type Waits,
} from "../src/sync";

/** Pictures are to wait longer than the sound takes by this. */
const AHEAD_MS = FIRST_WAITS.pictureMs - 100;

/** What reports say of sound and picture that are in step. */
const REPORTED_MS = -12;

const taking = (takenMs: number, ageMs?: number): Delay => ({ takenMs, ageMs });

/** A browser of which sound takes `soundMs` if it is not asked to wait, and pictures `pictureMs`, after
 * `filledMs`. Both have waited as they were told to when they are looked at next. */
class Browser {
  readonly alignment = new Alignment("wayland");
  waits: Waits = FIRST_WAITS;
  history: Waits[] = [];
  now = 5000;
  isOne = true;
  slots: Slots | undefined;

  run(seconds: number, { sound = 100, picture = 20, skew = 0 }, hasReports = false): Waits {
    for (const end = this.now + seconds * 1000; this.now < end; this.now += 500) {
      const soundTakes = Math.max(sound, this.waits.soundMs);
      const pictureTakes = Math.max(picture, this.waits.pictureMs);
      this.waits = this.alignment.update(
        taking(soundTakes, hasReports ? soundTakes + skew + REPORTED_MS : undefined),
        taking(pictureTakes, hasReports ? pictureTakes : undefined),
        this.now,
        this.isOne,
        this.slots,
      );
      this.history.push(this.waits);
    }
    return this.waits;
  }
}

function isNear(value: number, expected: number): void {
  assert.ok(Math.abs(value - expected) <= 4, `${value} is not ${expected}`);
}

test("pictures wait as long as their sound takes", () => {
  for (const sound of [85, 110, 160, 400]) {
    const { pictureMs, soundMs } = new Browser().run(8, { sound });
    isNear(pictureMs, sound + AHEAD_MS);
    assert.equal(soundMs, FIRST_WAITS.soundMs);
  }
});

test("sound that begins takes less than it will: that is not followed", () => {
  const alignment = new Alignment("wayland");
  for (const [at, takenMs] of [60, 70, 80, 90, 96].entries())
    assert.deepEqual(alignment.update(taking(takenMs), taking(107), at * 100, true), FIRST_WAITS);
  assert.ok(alignment.update(taking(160), taking(107), 600, true).pictureMs > 160);
});

test("after a peak of load, all is as it was", () => {
  const browser = new Browser();
  const before = browser.run(5, { sound: 95 });
  isNear(browser.run(5, { sound: 390 }).pictureMs, 390 + AHEAD_MS);
  const after = browser.run(5, { sound: 95 });
  isNear(after.pictureMs, before.pictureMs);
  assert.equal(after.soundMs, before.soundMs);
});

test("it comes nearer with each step, and never goes past", () => {
  const browser = new Browser();
  browser.run(4, { sound: 100 });
  browser.history = [];
  browser.run(6, { sound: 300 });
  for (const [n, { pictureMs }] of browser.history.entries()) {
    assert.ok(pictureMs <= 300 + AHEAD_MS);
    assert.ok(n === 0 || pictureMs >= browser.history[n - 1]!.pictureMs);
  }
});

test("what wavers a little moves nothing", () => {
  const alignment = new Alignment("wayland");
  for (let n = 0; n < 20; n++) {
    const sound = taking(100 + (n % 2 ? 3 : -3));
    const waits = alignment.update(sound, taking(107), 2000 + n * 500, true);
    assert.deepEqual(waits, FIRST_WAITS);
  }
});

test("the sender's clocks count, once it has reported", () => {
  const browser = new Browser();
  isNear(browser.run(5, { sound: 100 }).pictureMs, 100 + AHEAD_MS);
  // The picture of an instant arrives 60 ms before the sound does, ...
  isNear(browser.run(8, { sound: 100, skew: 60 }, true).pictureMs, 160 + AHEAD_MS);
  // ...or after it.
  isNear(browser.run(8, { sound: 100, skew: -60 }, true).pictureMs, 40 + AHEAD_MS);
});

test("pictures that are late have their sound wait", () => {
  const browser = new Browser();
  const { soundMs, pictureMs } = browser.run(15, { sound: 90, picture: 250 });
  const apart = Math.max(pictureMs, 250) - (soundMs + AHEAD_MS);
  assert.ok(Math.abs(apart) <= 10, `${apart}`);
  assert.ok(soundMs < 280, `${soundMs}`);
  assert.equal(browser.run(5, { sound: 90, picture: 20 }).soundMs, soundMs);
});

test("pictures wait for the slot that is nearest to their sound", () => {
  for (const atMs of [-40, 0, 3, 8, 12, 200]) {
    const browser = new Browser();
    browser.slots = { atMs, everyMs: 17 };
    const { pictureMs, soundMs } = browser.run(8, { sound: 130 });
    assert.equal(soundMs, FIRST_WAITS.soundMs);
    assert.ok(Math.abs(pictureMs - (130 + AHEAD_MS)) <= 8.5, `${pictureMs}`);
    assert.ok(Math.abs(nearestSlot(browser.slots, pictureMs) - pictureMs) <= 4, `${pictureMs}`);
  }
});

test("a slot is held until it is far from what the sound takes", () => {
  const browser = new Browser();
  browser.slots = { atMs: 0, everyMs: 17 };
  const sound = 136 - AHEAD_MS;
  assert.equal(browser.run(5, { sound }).pictureMs, 136);
  assert.equal(browser.run(5, { sound: sound + 20 }).pictureMs, 136);
  assert.equal(browser.run(5, { sound: sound + 30 }).pictureMs, 170);
});

test("where slots lie farther apart than before, the nearest one is chosen", () => {
  for (let atMs = 0; atMs < 34; atMs += 2) {
    const browser = new Browser();
    browser.slots = { atMs, everyMs: 17 };
    const sound = 140 - AHEAD_MS;
    browser.run(5, { sound });
    browser.slots = { atMs, everyMs: 34 };
    const { pictureMs } = browser.run(1, { sound });
    assert.ok(Math.abs(pictureMs - 140) <= 17, `${atMs}: ${pictureMs}`);
  }
});

test("slots that move are followed", () => {
  const browser = new Browser();
  browser.slots = { atMs: 0, everyMs: 17 };
  browser.run(5, { sound: 102 - AHEAD_MS });
  for (let atMs = 0; atMs < 60; atMs += 1) {
    browser.slots = { atMs, everyMs: 17 };
    const { pictureMs } = browser.run(0.5, { sound: 102 - AHEAD_MS });
    assert.ok(Math.abs(pictureMs - 102) <= 24 + 4, `${pictureMs}`);
    assert.ok(Math.abs(nearestSlot(browser.slots, pictureMs) - pictureMs) <= 4, `${pictureMs}`);
  }
});

test("a picture without sound has slots as well", () => {
  const slots = { atMs: 5, everyMs: 17 };
  const alignment = new Alignment("wayland");
  for (let n = 0; n < 4; n++) {
    const { pictureMs, soundMs } = alignment.update(undefined, taking(100), n * 500, true, slots);
    assert.ok(Math.abs(pictureMs - FIRST_WAITS.pictureMs) <= 8.5, `${pictureMs}`);
    assert.ok(Math.abs(nearestSlot(slots, pictureMs) - pictureMs) <= 4, `${pictureMs}`);
    assert.equal(soundMs, FIRST_WAITS.soundMs);
  }
});

test("pictures beside others wait less, from the moment on that there are others", () => {
  const browser = new Browser();
  browser.slots = { atMs: 1, everyMs: 17 };
  const alone = browser.run(5, { sound: 110 }).pictureMs;
  browser.isOne = false;
  const beside = browser.run(0.5, { sound: 110 }).pictureMs;
  assert.ok(beside < alone - 8.5, `${beside}`);
  assert.equal(nearestSlot(browser.slots, beside), beside);
  browser.isOne = true;
  assert.equal(browser.run(0.5, { sound: 110 }).pictureMs, alone);
});

test("a display is one that the service has, or none", () => {
  assert.deepEqual(["wayland", "x11", "toString", "", null].map(displayOf), [
    "wayland",
    "x11",
    "none",
    "none",
    "none",
  ]);
});

test("nothing waits longer than two seconds, whatever clocks say", () => {
  const browser = new Browser();
  const late = browser.run(30, { sound: 5000, skew: 1e9 }, true);
  assert.equal(late.pictureMs, 2000);
  const other = new Browser().run(30, { sound: 90, picture: 9000, skew: -1e9 }, true);
  assert.equal(other.soundMs, 2000);
  assert.equal(other.pictureMs >= 0, true);
});

test("tracks of a participant are put into one stream", () => {
  const groups = new Map([
    ["TR_AM", "camera"],
    ["TR_VC", "camera"],
    ["TR_VS", "screen_share"],
  ]);
  const lines = [
    "a=msid-semantic: WMS *",
    "a=msid:PA_x|TR_AM TR_AM",
    "a=ssrc:870634156 cname:PA_x|TR_AM",
    "a=ssrc:870634156 msid:PA_x|TR_AM TR_AM",
    "a=msid:PA_x|TR_VC TR_VC",
    "a=msid:PA_x|TR_VS TR_VS",
    "a=msid:PA_y|TR_other TR_other",
    "a=msid:PA_z|camera TR_z",
    "",
  ];
  const joined = joinStreams(lines.join("\r\n"), (sid) => groups.get(sid)).split("\r\n");
  assert.deepEqual(joined, [
    "a=msid-semantic: WMS *",
    "a=msid:PA_x|camera TR_AM",
    "a=ssrc:870634156 cname:PA_x|TR_AM",
    "a=ssrc:870634156 msid:PA_x|camera TR_AM",
    "a=msid:PA_x|camera TR_VC",
    "a=msid:PA_x|screen_share TR_VS",
    "a=msid:PA_y|TR_other TR_other",
    "a=msid:PA_z|camera TR_z",
    "",
  ]);
});
