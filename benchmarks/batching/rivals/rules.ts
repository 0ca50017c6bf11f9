import type { RuleName } from "../configuration.ts";
import { Greedy } from "./greedy.ts";
import { GreedyShedding } from "./greedy-shedding.ts";
import type { Rule, RuleOptions } from "./rule.ts";
import { WindowEarly } from "./window-early.ts";
import { WindowPulled } from "./window-pulled.ts";

/** A rival's rule by its name. The rule "ours" is the package's own and not among them. */
export function createRule(name: Exclude<RuleName, "ours">, options: RuleOptions): Rule {
  switch (name) {
    case "window-pulled":
      return new WindowPulled(options);
    case "window-early":
      return new WindowEarly(options);
    case "greedy":
      return new Greedy(options);
    case "greedy-shedding":
      return new GreedyShedding(options);
  }
}
