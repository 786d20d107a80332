import type { ChatMessage } from '@llmos/base';

/** Turns a conversation into the prompt that the model was trained on. */
export interface ChatTemplate {
  /** Throws INVALID_ARGUMENT where the template refuses the messages. */
  render(messages: readonly ChatMessage[]): string;
}
