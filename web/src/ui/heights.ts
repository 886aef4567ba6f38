/**
 * The heights of a long column of rows, some measured, the others estimated. A Fenwick tree: a height changes and a
 * position is found in O(log n), so 10,000 rows cost no more than 10.
 */
export class Heights {
  readonly #heights: Float64Array;
  /** `#tree[i]` sums the `i & -i` heights that end before row i. */
  readonly #tree: Float64Array;

  constructor(heights: readonly number[]) {
    this.#heights = Float64Array.from(heights);
    this.#tree = new Float64Array(heights.length + 1);
    heights.forEach((height, row) => {
      this.#add(row, height);
    });
  }

  get count(): number {
    return this.#heights.length;
  }

  get total(): number {
    return this.top(this.count);
  }

  height(row: number): number {
    return this.#heights[row] ?? 0;
  }

  /** True when it was a change. Fractions of a pixel count: they add up over a long column. */
  set(row: number, height: number): boolean {
    const change = height - this.height(row);
    if (Math.abs(change) < 0.01 || row >= this.count) return false;
    this.#heights[row] = height;
    this.#add(row, change);
    return true;
  }

  /** Distance from the top of the column to the top of `row`. */
  top(row: number): number {
    let sum = 0;
    for (let at = row; at > 0; at -= at & -at) sum += this.#tree[at] ?? 0;
    return sum;
  }

  /** The row that covers `distance`, the nearest one when it lies outside. */
  rowAt(distance: number): number {
    let row = 0;
    let left = distance;
    for (let step = 2 ** Math.floor(Math.log2(this.count || 1)); step >= 1; step /= 2) {
      const sum = this.#tree[row + step];
      if (sum !== undefined && sum <= left) {
        row += step;
        left -= sum;
      }
    }
    return Math.max(0, Math.min(row, this.count - 1));
  }

  #add(row: number, change: number): void {
    for (let at = row + 1; at < this.#tree.length; at += at & -at) this.#tree[at] = (this.#tree[at] ?? 0) + change;
  }
}
