import assert from "node:assert/strict";
import test from "node:test";
import { StartRule } from "../src/signals";

test("an empty room waits", () => {
  const rule = new StartRule();
  assert.equal(rule.delay({ subscribed: 0, videos: 0 }, 0), undefined);
  assert.equal(rule.delay({ subscribed: 0, videos: 2 }, 60_000), undefined);
});

test("without video, it starts shortly after the first track", () => {
  const rule = new StartRule();
  rule.delay({ subscribed: 0, videos: 0 }, 0);
  assert.equal(rule.delay({ subscribed: 1, videos: 0 }, 9000), 500);
  assert.equal(rule.delay({ subscribed: 2, videos: 0 }, 9200), 300);
  assert.equal(rule.delay({ subscribed: 2, videos: 0 }, 9700), 0);
});

test("a video that is published is waited for, but not for ever", () => {
  const rule = new StartRule();
  assert.equal(rule.delay({ subscribed: 1, videos: 1 }, 1000), 5000);
  assert.equal(rule.delay({ subscribed: 2, videos: 1 }, 3000), 3000);
  assert.equal(rule.delay({ subscribed: 2, videos: 1 }, 7000), 0);
});

test("a video that is muted after all is not waited for", () => {
  const rule = new StartRule();
  assert.equal(rule.delay({ subscribed: 2, videos: 1 }, 1000), 5000);
  assert.equal(rule.delay({ subscribed: 2, videos: 0 }, 1100), 400);
  assert.equal(rule.delay({ subscribed: 2, videos: 0 }, 2000), 0);
});

test("when everything is gone again, it waits as at first", () => {
  const rule = new StartRule();
  rule.delay({ subscribed: 1, videos: 1 }, 0);
  assert.equal(rule.delay({ subscribed: 0, videos: 0 }, 100), undefined);
  assert.equal(rule.delay({ subscribed: 1, videos: 1 }, 8000), 5000);
});
