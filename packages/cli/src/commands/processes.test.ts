import type { FunctionDefinition } from '@llmos/base';
import { createStyle } from '../output/style';
import { formatFunctions } from './processes';

const style = createStyle({ isTerminal: false, env: {} });

it('lists functions within the width of the terminal, what they take below what they do', () => {
  const input = { type: 'object', properties: { model: {}, prompt: {}, temperature: {} } };
  const functions = [
    { name: 'echo', description: 'Answers its input unchanged', input: {} },
    { name: 'generate', description: 'Continues a prompt or a conversation', input },
  ] as unknown as readonly FunctionDefinition[];
  expect(formatFunctions(functions, 40, style).split('\n')).toEqual([
    'echo      Answers its input unchanged',
    '          takes any JSON value',
    'generate  Continues a prompt or a',
    '          conversation',
    '          takes model, prompt,',
    '          temperature',
  ]);
  expect(formatFunctions([], 40, style)).toBe('');
});
