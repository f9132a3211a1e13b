import assert from "node:assert/strict";
import test from "node:test";
import { NEVER, Voices } from "../src/voices";

test("a short pause is none", () => {
  const voices = new Voices();
  voices.update(["a"], 1000);
  voices.update([], 2000);
  assert.ok(voices.isHeard("a", 2699));
  assert.ok(!voices.isHeard("a", 2700));
  voices.update(["a"], 2600);
  assert.equal(voices.heardSince("a"), 1000);
  voices.update([], 3000);
  voices.update(["a"], 3700);
  assert.equal(voices.heardSince("a"), 3700);
});

test("who speaks without end was heard last now", () => {
  const voices = new Voices();
  voices.update(["a"], 0);
  assert.ok(voices.isHeard("a", 100_000));
  voices.update([], 100_000);
  assert.equal(voices.lastHeard("a"), 100_000);
  assert.equal(voices.lastHeard("b"), NEVER);
  assert.ok(!voices.isHeard("b", 100_000));
});

test("the loudest of those who are asked about", () => {
  const voices = new Voices();
  voices.update(["a", "b"], 0);
  assert.equal(voices.loudest([{ identity: "b" }, { identity: "a" }]), "a");
  assert.equal(voices.loudest([{ identity: "b" }, { identity: "c" }]), "b");
  assert.equal(voices.loudest([{ identity: "c" }]), undefined);
});

test("it is known when the next pause is too long", () => {
  const voices = new Voices();
  assert.equal(voices.nextSilence(0), undefined);
  voices.update(["a", "b"], 0);
  assert.equal(voices.nextSilence(0), undefined);
  voices.update(["b"], 100);
  assert.equal(voices.nextSilence(300), 500);
  voices.update([], 400);
  assert.equal(voices.nextSilence(400), 400);
  assert.equal(voices.nextSilence(900), 200);
  assert.equal(voices.nextSilence(1100), undefined);
});
