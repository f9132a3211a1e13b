import assert from "node:assert/strict";
import test from "node:test";
import { initialsOf, numberOf } from "../src/names";

test("initials", () => {
  const expected: [string, string][] = [
    ["Alice Example", "AE"],
    ["alice", "A"],
    ["Ana Maria de la Cruz", "AC"],
    ["alice@example.com", "AC"],
    ["mary-jane", "MJ"],
    ["  bob  ", "B"],
    ["çağla öztürk", "ÇÖ"],
    ["山田 太郎", "山太"],
    ["مريم العلي", "ما"],
    ["👩‍🚀 Eva 🚀", "E"],
    ["e\u0301mile", "E\u0301"],
    ["Agent 47", "A"],
    ["+49 30 1234", ""],
    ["👋", ""],
    ["", ""],
  ];
  for (const [name, initials] of expected) assert.equal(initialsOf(name).replace("\u200c", ""), initials, name);
});

test("a participant's colour is always the same, and not everybody's", () => {
  const names = Array.from({ length: 100 }, (_, i) => `participant ${i}`);
  const numbers = names.map((name) => numberOf(name, 8));
  assert.deepEqual(numbers, names.map((name) => numberOf(name, 8)));
  assert.ok(numbers.every((number) => Number.isInteger(number) && number >= 0 && number < 8));
  assert.equal(new Set(numbers).size, 8);
  assert.equal(numberOf("", 8), 0);
});
