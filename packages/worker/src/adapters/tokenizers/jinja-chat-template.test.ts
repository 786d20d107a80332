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
});
