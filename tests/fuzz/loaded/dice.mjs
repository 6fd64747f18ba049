// Chance that can be had again: the same seed throws the same dice (mulberry32).

export class Dice {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `sides - 1`. */
  roll(sides) {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  }

  /** Whether one of `sides` came up. */
  once(sides) {
    return this.roll(sides) === 0;
  }

  pick(items) {
    return items[this.roll(items.length)];
  }

  /** `text`, or nothing. */
  maybe(text, sides = 3) {
    return this.once(sides) ? text : '';
  }

  /** Between `least` and `most` items. */
  some(least, most, item) {
    return Array.from({ length: least + this.roll(most - least + 1) }, () => item());
  }
}
