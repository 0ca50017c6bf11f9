import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceModel } from "../../../src/dispatch/service-model.ts";
import { randomFrom } from "../../helpers/simulation.ts";

const near = (got: number, wanted: number, share: number): void =>
  assert.ok(Math.abs(got - wanted) <= share * wanted, `${got} where about ${wanted} is wanted`);

/** Runs of random sizes. Each takes fixed + perUnit · size, plus or minus `noise` of it. */
function learn(
  model: ServiceModel,
  line: { fixed: number; perUnit: number },
  { runs = 200, noise = 0, most = 64, seed = 1 } = {},
): void {
  const random = randomFrom(seed);
  for (let run = 0; run < runs; run++) {
    const cost = 1 + Math.floor(random() * most);
    // The sum of three uniform numbers is roughly normal, with variance 1/4.
    const normal = 2 * (random() + random() + random() - 1.5);
    model.learn(cost, (line.fixed + line.perUnit * cost) * (1 + noise * normal));
  }
}

test("before the first run the model predicts nothing; the first run is split into half fixed and half per-item cost", () => {
  const model = new ServiceModel();
  assert.equal(model.runs, 0);
  assert.equal(model.predict(64), 0);
  model.learn(10, 100);
  assert.deepEqual([model.runs, model.fixed, model.perUnit], [1, 50, 5]);
});

test("a few exact runs of two sizes give the cost function to within three percent", () => {
  const model = new ServiceModel();
  for (let run = 0; run < 3; run++) {
    model.learn(1, 21);
    model.learn(30, 50);
  }
  near(model.predict(1), 21, 0.03);
  near(model.predict(30), 50, 0.03);
  near(model.predict(64), 84, 0.03);
});

test("the model learns both parts of noisy runs, and their variation", () => {
  const model = new ServiceModel();
  learn(model, { fixed: 20, perUnit: 1 }, { runs: 400, noise: 0.15 });
  for (const cost of [1, 32, 64]) near(model.predict(cost), 20 + cost, 0.15);
  near(model.scatter, 0.15, 0.4);
});

test("exact runs have no variation, and are predicted to a thousandth", () => {
  const model = new ServiceModel();
  learn(model, { fixed: 5, perUnit: 0.2 });
  near(model.predict(64), 17.8, 0.001);
  assert.ok(model.scatter < 0.01);
});

test("runs of equal size do not change the split", () => {
  const model = new ServiceModel();
  learn(model, { fixed: 20, perUnit: 1 });
  for (let run = 0; run < 2_000; run++) model.learn(8, 28);
  near(model.predict(8), 28, 0.01);
  near(model.predict(64), 84, 0.05);
  // A single run of another size must not erase what was learned over a long time.
  model.learn(64, 84);
  near(model.predict(1), 21, 0.05);
});

test("costs that triple, or fall to a third, are known after two runs", () => {
  for (const factor of [3, 1 / 3]) {
    for (const noise of [0, 0.15, 0.3]) {
      const model = new ServiceModel();
      learn(model, { fixed: 20, perUnit: 1 }, { noise });
      model.learn(10, 30 * factor);
      model.learn(20, 40 * factor);
      for (const cost of [1, 15, 64]) near(model.predict(cost), (20 + cost) * factor, 0.3);
    }
  }
});

test("a single outlier is taken neither for noise nor for a change of costs", () => {
  const model = new ServiceModel();
  learn(model, { fixed: 20, perUnit: 1 }, { noise: 0.05 });
  model.learn(32, 520);
  near(model.predict(32), 52, 0.9);
  assert.ok(model.scatter < 0.1, String(model.scatter));
  learn(model, { fixed: 20, perUnit: 1 }, { noise: 0.05, runs: 90 });
  near(model.predict(32), 52, 0.05);
});

test("a wrong cost function is corrected even though its error looks like noise", () => {
  const model = new ServiceModel();
  // Small runs fit, large ones take a third of the prediction: two consecutive runs are never both off.
  learn(model, { fixed: 0, perUnit: 30 }, { noise: 0.15, most: 9 });
  for (let run = 0; run < 30; run++) {
    model.learn(1, 30);
    model.learn(9, 90);
  }
  near(model.predict(9), 90, 0.15);
  near(model.predict(1), 30, 0.15);
});

test("neither part ever becomes negative, whatever runs take", () => {
  const random = randomFrom(3);
  for (let round = 0; round < 50; round++) {
    const model = new ServiceModel();
    for (let run = 0; run < 100; run++) {
      model.learn(Math.floor(random() * 10), 10 ** (4 * random() - 2));
      assert.ok(model.fixed >= 0 && model.perUnit >= 0);
      assert.ok(model.predict(5) < Infinity && model.scatter < Infinity);
    }
  }
});

test("runs of zero duration and items of zero cost cause no errors", () => {
  const model = new ServiceModel();
  for (let run = 0; run < 100; run++) model.learn(0, 0);
  assert.ok(model.predict(1) < 0.01);
  for (let run = 0; run < 100; run++) model.learn(0, 12);
  near(model.predict(0), 12, 0.01);
});

test("high predictions include the variation, and costWithin is their inverse", () => {
  const model = new ServiceModel();
  learn(model, { fixed: 20, perUnit: 1 }, { noise: 0.15 });
  assert.ok(model.predictHigh(10, 2) > model.predict(10) * 1.2);
  near(model.predictHigh(model.costWithin(70, 1.3), 1.3), 70, 1e-9);
  const flat = new ServiceModel();
  for (let run = 0; run < 50; run++) flat.learn(0, 10);
  assert.equal(flat.costWithin(50, 0), Infinity);
  assert.equal(flat.costWithin(5, 0), 0);
});
