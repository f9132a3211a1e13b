import assert from "node:assert/strict";
import test from "node:test";
import { choosePage, Director, type Seat, SpeakerChoice } from "../src/choice";
import { GRID_SIZE } from "../src/layout";
import { Voices } from "../src/voices";

function camera(identity: string, hasVideo = true): Seat {
  return { key: `${identity}/camera`, identity, kind: "camera", hasVideo };
}

function screen(identity: string): Seat {
  return { key: `${identity}/screen`, identity, kind: "screen", hasVideo: true };
}

function cameras(names: string, hasVideo = true): Seat[] {
  return [...names].map((name) => camera(name, hasVideo));
}

/** "a/camera", "b/screen" as "aB". */
function short(keys: readonly (string | undefined)[]): string {
  return keys
    .map((key = "-") => (key.endsWith("/screen") ? key.charAt(0).toUpperCase() : key.charAt(0)))
    .join("");
}

function page(before: string, seats: Seat[], limit: number, voices = new Voices(), now = 0): string {
  const keys = [...before].map((name) => `${name}/camera`);
  return short(choosePage(keys, seats, limit, voices, now));
}

test("a page shows those who came first", () => {
  assert.equal(page("", cameras("abc"), 5), "abc");
  assert.equal(page("", cameras("abcde"), 3), "abc");
  assert.equal(page("", [], 3), "");
});

test("who has a picture comes before who has none", () => {
  const seats = [camera("a", false), camera("b"), camera("c", false), camera("d")];
  assert.equal(page("", seats, 3), "bda");
  assert.equal(page("ac", seats, 2), "bd");
  assert.equal(page("ab", seats, 2), "db");
});

test("who is shown stays in his place, and who leaves makes room", () => {
  assert.equal(page("cab", cameras("abcd"), 3), "cab");
  assert.equal(page("cab", cameras("abc"), 3), "cab");
  assert.equal(page("cab", cameras("bcde"), 3), "cbd");
});

test("a speaker comes in, and the place that he takes is that of who was silent the longest", () => {
  const voices = new Voices();
  voices.update(["a"], 0);
  voices.update(["c"], 1000);
  voices.update(["e"], 5000);
  assert.equal(page("abc", cameras("abcde"), 3, voices, 5000), "aec");
  voices.update([], 6000);
  voices.update(["d"], 9000);
  assert.equal(page("aec", cameras("abcde"), 3, voices, 9000), "dec");
});

test("a speaker who is shown does not give way to another one", () => {
  const voices = new Voices();
  voices.update(["a", "b", "c"], 0);
  assert.equal(page("ab", cameras("abc"), 2, voices, 0), "ab");
});

test("when fewer fit, the last ones go", () => {
  assert.equal(page("abcd", cameras("abcd"), 2), "ab");
});

test("before anybody speaks, the first with a picture has the floor", () => {
  const choice = new SpeakerChoice();
  const voices = new Voices();
  assert.equal(choice.choose([], voices, 0).seat, undefined);
  assert.equal(choice.choose([camera("a", false)], voices, 1).seat?.identity, "a");
  const seats = [camera("a", false), camera("b"), camera("c")];
  assert.equal(choice.choose(seats, voices, 2).seat?.identity, "b");
  voices.update(["c"], 3);
  assert.equal(choice.choose(seats, voices, 3).seat?.identity, "c");
});

test("the floor goes on after half a second, if the first is silent", () => {
  const choice = new SpeakerChoice();
  const voices = new Voices();
  const seats = cameras("ab");
  voices.update(["a"], 0);
  assert.equal(choice.choose(seats, voices, 0).seat?.identity, "a");
  voices.update([], 9000);
  voices.update(["b"], 10_000);
  assert.deepEqual(choice.choose(seats, voices, 10_000), { seat: seats[0], again: 500 });
  assert.deepEqual(choice.choose(seats, voices, 10_400), { seat: seats[0], again: 100 });
  assert.equal(choice.choose(seats, voices, 10_500).seat?.identity, "b");
});

test("who throws in a word does not get the floor", () => {
  const choice = new SpeakerChoice();
  const voices = new Voices();
  const seats = cameras("ab");
  voices.update(["a"], 0);
  choice.choose(seats, voices, 0);
  voices.update(["b", "a"], 10_000);
  assert.equal(choice.choose(seats, voices, 10_000).again, 3000);
  voices.update(["a"], 11_000);
  assert.deepEqual(choice.choose(seats, voices, 13_000), { seat: seats[0], again: undefined });
  voices.update(["b", "a"], 20_000);
  assert.equal(choice.choose(seats, voices, 23_000).seat?.identity, "b");
});

test("the floor does not go to and fro", () => {
  const choice = new SpeakerChoice();
  const voices = new Voices();
  const seats = cameras("ab");
  voices.update(["a"], 0);
  choice.choose(seats, voices, 0);
  voices.update(["b"], 4000);
  assert.equal(choice.choose(seats, voices, 4700).seat?.identity, "b");
  voices.update(["a"], 4800);
  assert.equal(choice.choose(seats, voices, 5800).seat?.identity, "b");
  assert.equal(choice.choose(seats, voices, 6200).seat?.identity, "a");
});

test("who leaves has lost the floor at once", () => {
  const choice = new SpeakerChoice();
  const voices = new Voices();
  voices.update(["a"], 0);
  choice.choose(cameras("abc"), voices, 0);
  voices.update(["c"], 10);
  assert.equal(choice.choose(cameras("bc"), voices, 10).seat?.identity, "c");
  assert.equal(choice.choose([], voices, 20).seat, undefined);
});

test("a grid shows everybody, up to a page", () => {
  const director = new Director();
  const seats = Array.from({ length: 40 }, (_, i) => camera(String.fromCharCode(97 + i)));
  const few = director.direct("grid", seats.slice(0, 4), new Voices(), 0);
  assert.equal(few.main, undefined);
  assert.equal(short(few.others), "abcd");
  assert.equal(director.direct("grid", seats, new Voices(), 0).others.length, GRID_SIZE);
});

test("a screen makes of a grid a speaker's layout, and of that a grid when it is gone", () => {
  const director = new Director();
  const voices = new Voices();
  const seats = cameras("abcde");
  director.direct("grid", seats, voices, 0);
  const shared = director.direct("grid", [...seats, screen("b")], voices, 1);
  assert.equal(short([shared.main, ...shared.others]), "Babc");
  const after = director.direct("grid", seats, voices, 2);
  assert.equal(after.main, undefined);
  assert.equal(short(after.others), "abcde");
});

test("a second screen does not take the place of the first", () => {
  const director = new Director();
  const voices = new Voices();
  director.direct("speaker", [...cameras("ab"), screen("b")], voices, 0);
  const scene = director.direct("speaker", [...cameras("ab"), screen("a"), screen("b")], voices, 1);
  assert.equal(short([scene.main, ...scene.others]), "BabA");
  const rest = director.direct("speaker", [...cameras("ab"), screen("a")], voices, 2);
  assert.equal(short([rest.main, ...rest.others]), "Aab");
});

test("who gets the floor and who had it change places", () => {
  const director = new Director();
  const voices = new Voices();
  const seats = cameras("abcd");
  voices.update(["a"], 0);
  assert.equal(short(director.direct("speaker", seats, voices, 0).others), "bcd");
  voices.update(["c"], 5000);
  const scene = director.direct("speaker", seats, voices, 6000);
  assert.equal(short([scene.main, ...scene.others]), "cbad");
});

test("a single speaker is alone, also with a screen", () => {
  const director = new Director();
  const voices = new Voices();
  voices.update(["b"], 0);
  const scene = director.direct("single-speaker", cameras("ab"), voices, 0);
  assert.deepEqual([short([scene.main]), scene.others], ["b", []]);
  const shared = director.direct("single-speaker", [...cameras("ab"), screen("a")], voices, 1);
  assert.deepEqual([short([shared.main]), shared.others], ["A", []]);
});

test("an empty room shows nobody", () => {
  for (const kind of ["grid", "speaker", "single-speaker"] as const) {
    const scene = new Director().direct(kind, [], new Voices(), 0);
    assert.deepEqual(scene, { main: undefined, others: [], again: undefined });
  }
});
