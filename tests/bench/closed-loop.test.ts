import { repeat } from './closed-loop';

describe('repeated requests', () => {
  it('are so many in all, by so many callers at once', async () => {
    const asked: number[] = [];
    let running = 0;
    let most = 0;
    await repeat({
      callers: 3,
      requests: 10,
      once: async (request) => {
        asked.push(request);
        running += 1;
        most = Math.max(most, running);
        await Promise.resolve();
        running -= 1;
      },
    });
    expect(asked).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(most).toBe(3);
  });
});
