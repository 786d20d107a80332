import { bestWindows, planWindows } from './text-windows';

describe('windows of a long text', () => {
  it('is one window where the text fits', () => {
    expect(planWindows([1, 2, 3], 6, 2)).toEqual([{ first: 0, end: 3 }]);
    expect(planWindows([], 6, 2)).toEqual([{ first: 0, end: 0 }]);
  });

  it('covers every word, within the capacity, and goes forward', () => {
    for (let round = 0; round < 200; round += 1) {
      const capacity = 1 + (round % 17);
      const sizes = Array.from({ length: 1 + round }, (_, i) => 1 + ((i * 7 + round) % capacity));
      const windows = planWindows(sizes, capacity, Math.floor(capacity / 4));
      expect(windows[0]?.first).toBe(0);
      expect(windows.at(-1)?.end).toBe(sizes.length);
      windows.forEach((window, index) => {
        const used = sizes.slice(window.first, window.end).reduce((sum, size) => sum + size, 0);
        expect(used).toBeLessThanOrEqual(capacity);
        const before = windows[index - 1];
        if (before === undefined) return;
        expect(window.first).toBeGreaterThan(before.first);
        expect(window.first).toBeLessThanOrEqual(before.end);
        expect(window.end).toBeGreaterThan(before.end);
      });
    }
  });

  it('overlaps by words where there is room', () => {
    expect(planWindows([1, 1, 1, 1, 1, 1], 4, 2)).toEqual([
      { first: 0, end: 4 },
      { first: 2, end: 6 },
    ]);
  });

  it('reads each word where it has the most around it', () => {
    const windows = [
      { first: 0, end: 6 },
      { first: 3, end: 9 },
    ];
    expect(bestWindows(windows, 9)).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1]);
  });
});
