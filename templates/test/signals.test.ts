import assert from "node:assert/strict";
import test from "node:test";
import { Signals, StartRule } from "../src/signals";

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

function listen(): { said: string[]; signals: Signals } {
  const said: string[] = [];
  return { said, signals: new Signals((...words) => said.push(words.join(" "))) };
}

test("start and end are said once each", () => {
  const { said, signals } = listen();
  signals.update({ subscribed: 1, videos: 1 });
  signals.start();
  signals.start();
  signals.update({ subscribed: 0, videos: 0 });
  signals.update({ subscribed: 1, videos: 0 });
  assert.deepEqual(said, ["START_RECORDING"]);
  signals.end();
  signals.end();
  signals.start();
  assert.deepEqual(said, ["START_RECORDING", "END_RECORDING"]);
});

test("a room that ends before anything was seen does not start any more", () => {
  const { said, signals } = listen();
  signals.update({ subscribed: 1, videos: 1 });
  signals.end();
  signals.update({ subscribed: 1, videos: 1 });
  signals.start();
  assert.deepEqual(said, ["END_RECORDING"]);
});

test("without a picture, it starts by itself", async () => {
  const said = await new Promise<string>((resolve) => {
    new Signals(resolve).update({ subscribed: 1, videos: 0 });
  });
  assert.equal(said, "START_RECORDING");
});

test("layouts are said when they change, whether it is recorded or not", () => {
  const { said, signals } = listen();
  signals.show("grid");
  signals.show("grid");
  signals.start();
  signals.show("speaker-light");
  signals.show("grid");
  signals.show("grid");
  assert.deepEqual(said, ["LAYOUT grid", "START_RECORDING", "LAYOUT speaker-light", "LAYOUT grid"]);
});
