import { readTaskInput } from './task-input';

function read(name: string, argument: string | undefined, model?: string, stdin = '') {
  return readTaskInput({ function: name, argument, model, readStdin: async () => stdin });
}

describe('the input of a task on the command line', () => {
  it('is JSON', async () => {
    expect(await read('echo', '{"a":[1,2]}')).toEqual({ a: [1, 2] });
    expect(await read('echo', '7')).toBe(7);
  });

  it('is read from stdin for -', async () => {
    expect(await read('echo', '-', undefined, '{"b":1}')).toEqual({ b: 1 });
  });

  it('may be a plain text for the functions that read one', async () => {
    expect(await read('classify', 'Where is my card?')).toEqual({ text: 'Where is my card?' });
    expect(await read('generate', 'Once', 'storyteller')).toEqual({
      prompt: 'Once',
      model: 'storyteller',
    });
    expect(await read('embed', '"7 up"')).toEqual({ text: '7 up' });
    expect(await read('generate', '1984')).toEqual({ prompt: '1984' });
    expect(await read('embed', 'null')).toEqual({ text: 'null' });
    expect(await read('classify', '-', undefined, 'a line\n')).toEqual({ text: 'a line' });
  });

  it('takes the model from --model', async () => {
    expect(await read('embed', '{"text":"a","model":"x"}', 'y@2')).toEqual({
      text: 'a',
      model: 'y@2',
    });
    await expect(read('echo', '[1]', 'x')).rejects.toThrow('--model needs');
  });

  it('is refused, quoted, where it is meant as JSON and is not', async () => {
    await expect(read('classify', '{"text":')).rejects.toThrow(/"\{\\"text\\":" is not JSON/);
    await expect(read('echo', 'plain')).rejects.toThrow('is not JSON');
  });
});
