import type { ModelDocuments } from '../../models/model-documents';
import { openChatTemplate } from './jinja-chat-template';

function documents(more: Partial<ModelDocuments>): ModelDocuments {
  const empty = { config: {}, tokenizerConfig: {}, generationConfig: {}, genaiConfig: {} };
  return { ...empty, pooling: {}, sentenceConfig: {}, ...more };
}

const source =
  "{% for m in messages %}{% if m['role'] == 'bad' %}{{ raise_exception('no bad roles') }}{% endif %}" +
  "{{ bos_token }}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

describe('chat templates', () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: '{{ 7 * 7 }}' },
  ];

  it('renders messages, whose text is not a template', () => {
    const template = openChatTemplate(
      documents({ tokenizerConfig: { chat_template: source, bos_token: { content: '<s>' } } }),
    );
    expect(template?.render(messages)).toBe('<s><system>Be brief.<s><user>{{ 7 * 7 }}<assistant>');
  });

  it('takes the file before the field, and the default of several', () => {
    const chat_template = [
      { name: 'tools', template: 'no' },
      { name: 'default', template: 'yes' },
    ];
    expect(openChatTemplate(documents({ tokenizerConfig: { chat_template } }))?.render([])).toBe(
      'yes',
    );
    const file = documents({ chatTemplate: 'file', tokenizerConfig: { chat_template } });
    expect(openChatTemplate(file)?.render([])).toBe('file');
    expect(openChatTemplate(documents({}))).toBeUndefined();
  });

  it('passes on what the template refuses, and refuses a broken template', () => {
    const template = openChatTemplate(documents({ chatTemplate: source }));
    expect(() => template?.render([{ role: 'bad', content: '' }])).toThrow(/no bad roles/);
    expect(() => openChatTemplate(documents({ chatTemplate: '{% for %}' }))).toThrow(/template/);
  });

  const render = (chatTemplate: string, count = 1) => {
    const all = Array.from({ length: count }, () => ({ role: 'user', content: 'x'.repeat(1000) }));
    return openChatTemplate(documents({ chatTemplate }))?.render(all);
  };

  it.each([
    ['{% for i in range(1000000000000) %}{% endfor %}'],
    ['{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}'],
    ['{% set l = range(100000) %}{% for i in l %}{% for j in l %}{% endfor %}{% endfor %}'],
    [
      '{% set l = range(9999) %}{% for i in l if i > 0 %}{% for j in l if j < 0 %}{% endfor %}{% endfor %}',
    ],
    ["{% set n = namespace(t='x') %}{% for i in range(60) %}{% set n.t = n.t ~ n.t %}{% endfor %}"],
    ['{% set n = namespace(l=[1]) %}{% for i in range(60) %}{% set n.l = n.l + n.l %}{% endfor %}'],
    ['{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}'],
    ['{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}'],
    ['{{ messages | tojson(indent=1000000000) }}'],
    [
      "{{ messages[0].content | replace('x', messages[0].content) | replace('x', messages[0].content) }}",
    ],
  ])('ends a template that would not end, or builds too much: %s', (chatTemplate) => {
    expect(() => render(chatTemplate)).toThrow(/the chat template refuses the messages: ./);
  });

  it('renders what templates do with a long conversation', () => {
    const usual =
      '{% set ns = namespace(found=false) %}{% for m in messages %}{% if loop.index0 > 0 and ' +
      "messages[loop.index0 - 1].role == m.role and not ns.found %}{% endif %}{{ m.role + ':' + " +
      "(m.content | trim) }}{% if 'x</think>' in m.content %}{{ m.content.split('</think>')[-1] }}" +
      '{% endif %}{% endfor %}{% for i in range(messages | length) %}{{ i }}{% endfor %}' +
      "{{ strftime_now('%Y') | length }}{% if none is none and true %}!{% endif %}";
    expect(render(usual, 5_000)).toMatch(/^user:x{1000}user:.*49984999?4!$/s);
  });
});
