import { BUILT_IN_FUNCTIONS } from '../../functions/built-in';
import { compileSchemaCheck } from './schema-check';

function check(name: string, input: unknown): string | undefined {
  const definition = BUILT_IN_FUNCTIONS.find((candidate) => candidate.name === name);
  if (definition === undefined) throw new Error(`no function ${name}`);
  return compileSchemaCheck(definition.input, `input of ${name}`)(input)?.message;
}

describe('input schemas of the built-in functions', () => {
  it('accept what the protocol shows', () => {
    expect(check('echo', [1, 'two', null])).toBeUndefined();
    expect(check('embed', { model: 'm', texts: ['a', 'b'] })).toBeUndefined();
    expect(check('classify', { text: 'a', topK: 3, truncate: true })).toBeUndefined();
    expect(check('generate', { prompt: 'a', stop: ['x'], temperature: 0 })).toBeUndefined();
    const tensor = { type: 'int64', dims: [1], data: ['9007199254740993'] };
    expect(check('infer', { inputs: { x: tensor }, key: 'k', outputs: ['y'] })).toBeUndefined();
  });

  it('refuse an unknown field by its name', () => {
    expect(check('embed', { text: 'a', modle: 'm' })).toBe('input of embed: unknown field "modle"');
  });

  it('name the place and the value of an ill-typed field', () => {
    expect(check('embed', { texts: ['a', 7] })).toBe(
      'input of embed: texts/1 must be string, not 7',
    );
    expect(check('classify', { text: 'a', topK: 0 })).toContain('topK must be >= 1, not 0');
  });

  it('ask for exactly one of text and texts', () => {
    expect(check('embed', {})).toContain('needs exactly one of text, texts; it has no field');
    expect(check('embed', { text: 'a', texts: ['b'] })).toContain('it has text, texts');
  });

  it('name the fields that are missing', () => {
    expect(check('infer', {})).toContain('needs the field "inputs"');
  });

  it('refuse what is not an object', () => {
    for (const value of [null, 7, 'x', []])
      expect(check('embed', value)).toContain('must be an object, not');
  });
});
