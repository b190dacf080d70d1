// The best types for a number of bytes: every tensor has choices that cost bytes and lose quality, losses add up. Solved on
// the lower convex hull of each tensor's choices, where the next best step is always the one that saves the most loss for
// its bytes (Lagrange); what the last steps leave over goes to single changes that still fit.

export interface Choice<T> {
  readonly type: T;
  readonly bytes: number;
  /** What the choice loses; least is best. */
  readonly loss: number;
}

/** A step to a larger choice of a tensor. */
interface Step {
  readonly item: number;
  /** On the hull, before and after. */
  readonly from: number;
  readonly bytes: number;
  /** Loss saved per byte. */
  readonly gain: number;
}

/**
 * One choice for every item, of at most `budget` bytes in all; undefined where even the smallest ones take more. Equal inputs
 * give equal answers: ties go to the earlier item.
 */
export function chooseWithin<T>(
  items: readonly (readonly Choice<T>[])[],
  budget: number,
): Choice<T>[] | undefined {
  const hulls = items.map(lowerHull),
    chosen = hulls.map((hull) => hull[0]);
  let left = budget - chosen.reduce((sum, { bytes }) => sum + bytes, 0);
  if (left < 0) return undefined;
  const steps = hulls.flatMap((hull, item) =>
    hull.slice(1).map((to, from): Step => {
      const bytes = to.bytes - hull[from].bytes;
      return { item, from, bytes, gain: (hull[from].loss - to.loss) / bytes };
    }),
  );
  // gains fall along a hull: a tensor's steps stay in order
  steps.sort((a, b) => b.gain - a.gain || a.item - b.item || a.from - b.from);
  for (const { item, from, bytes } of steps) {
    if (bytes > left || chosen[item] !== hulls[item][from]) continue;
    chosen[item] = hulls[item][from + 1];
    left -= bytes;
  }
  for (let change = bestChange(items, chosen, left); change;) {
    left -= change.to.bytes - chosen[change.item].bytes;
    chosen[change.item] = change.to;
    change = bestChange(items, chosen, left);
  }
  return chosen;
}

/** Of the choices, from the smallest, those that no mixture of others beats; each loses less than the one before. */
function lowerHull<T>(choices: readonly Choice<T>[]): Choice<T>[] {
  const hull: Choice<T>[] = [];
  const sorted = choices.toSorted((a, b) => a.bytes - b.bytes || a.loss - b.loss);
  for (const choice of sorted) {
    if (hull.length > 0 && choice.loss >= hull.at(-1)!.loss) continue;
    while (hull.length > 1 && slope(hull.at(-2)!, choice) <= slope(hull.at(-2)!, hull.at(-1)!))
      hull.pop();
    hull.push(choice);
  }
  return hull;
}

/** Loss per byte, negative. */
function slope<T>(from: Choice<T>, to: Choice<T>): number {
  return (to.loss - from.loss) / (to.bytes - from.bytes);
}

function bestChange<T>(
  items: readonly (readonly Choice<T>[])[],
  chosen: readonly Choice<T>[],
  left: number,
): { readonly item: number; readonly to: Choice<T> } | undefined {
  let best: { item: number; to: Choice<T> } | undefined,
    saved = 0;
  for (const [item, choices] of items.entries()) {
    for (const to of choices) {
      if (to.bytes - chosen[item].bytes > left || chosen[item].loss - to.loss <= saved) continue;
      best = { item, to };
      saved = chosen[item].loss - to.loss;
    }
  }
  return best;
}
