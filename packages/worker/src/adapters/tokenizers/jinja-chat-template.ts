/** Chat templates on @huggingface/jinja. */
import type { ChatMessage } from '@llmos/base';
import { LlmosError, isRecord } from '@llmos/base';
import type { ModelDocuments } from '../../models/model-documents';
import { tokenTextIn } from '../../models/model-documents';
import type { ChatTemplate } from '../../ports/chat-template';
import type { ParsedTemplate } from './bounded-jinja';
import { parseTemplate, renderTemplate } from './bounded-jinja';

/** Undefined where the package has no template. */
export function openChatTemplate(documents: ModelDocuments): ChatTemplate | undefined {
  const source = documents.chatTemplate ?? templateIn(documents.tokenizerConfig['chat_template']);
  if (source === undefined) return undefined;
  let template: ParsedTemplate;
  try {
    template = parseTemplate(source);
  } catch (thrown) {
    const reason = (thrown as Error).message;
    throw new LlmosError('FAILED_PRECONDITION', `the chat template can't be used: ${reason}`);
  }
  const tokens = Object.fromEntries(
    ['bos_token', 'eos_token', 'unk_token', 'pad_token'].flatMap((name) => {
      const text = tokenTextIn(documents.tokenizerConfig, name);
      return text === undefined ? [] : [[name, text]];
    }),
  );
  return { render: (messages) => render(template, tokens, messages) };
}

function render(
  template: ParsedTemplate,
  tokens: Readonly<Record<string, string>>,
  messages: readonly ChatMessage[],
): string {
  try {
    const copies = messages.map((message) => ({ role: message.role, content: message.content }));
    return renderTemplate(template, { ...tokens, messages: copies, add_generation_prompt: true });
  } catch (thrown) {
    const reason = (thrown as Error).message;
    throw new LlmosError('INVALID_ARGUMENT', `the chat template refuses the messages: ${reason}`);
  }
}

/** One template, or a list of named ones of which `default` is meant. */
function templateIn(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named: unknown = value.find(
    (item: unknown) => isRecord(item) && item['name'] === 'default',
  );
  return isRecord(named) && typeof named['template'] === 'string' ? named['template'] : undefined;
}
