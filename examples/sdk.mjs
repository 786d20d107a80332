// The SDK in one page. Start a system first (`npm start`, or `npx llmos up`), then:
//   node examples/sdk.mjs [nats://host:port]
import { connect, LlmosError } from '@llmos/sdk';

const os = await connect({ servers: process.argv[2] ?? 'nats://127.0.0.1:4222' });

// A generation, piece by piece. Leaving the loop early would cancel it.
const story = os.generate.stream({
  model: 'storyteller',
  prompt: 'Once upon a time',
  maxTokens: 48,
  temperature: 0,
});
for await (const chunk of story) process.stdout.write(chunk.text);
console.log(`\n(${(await story.result).tokens.length} tokens)`);

// Two more endings of the same beginning, which is read once; how sure was the model?
const { samples } = await os.generate({
  model: 'storyteller',
  prompt: 'The dragon was afraid of',
  maxTokens: 12,
  temperature: 0.8,
  minP: 0.05,
  seed: 7,
  n: 2,
  topLogprobs: 0,
});
for (const { text, logprobs } of samples) {
  const mean = logprobs.reduce((sum, { logprob }) => sum + logprob, 0) / logprobs.length;
  console.log(`${text} (${Math.exp(mean).toFixed(2)} per token)`);
}

// Which sentence is nearest in meaning?
const texts = ['The cat sleeps.', 'A kitten is napping.', 'Stocks fell today.'];
const { embeddings } = await os.embed({ model: 'mini-encoder', texts });
const similarity = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0);
console.log(
  texts.slice(1).map((text, at) => [text, similarity(embeddings[0], embeddings[at + 1])]),
);

// Durable work for later: from the handle on it is not lost, whoever dies.
const task = await os.submit(
  'classify',
  { model: 'support-intents', text: 'I lost my card', topK: 3 },
  { class: 'batch', priority: 7, timeoutMs: 60_000 },
);
console.log(task.id, (await task.result()).labels);
console.log('the same, from anywhere:', await os.task(task.id).status());

// Errors say what was wrong, and whether another try may help.
try {
  await os.embed({ model: 'no-such-model', text: 'x' });
} catch (error) {
  if (!(error instanceof LlmosError)) throw error;
  console.log(`${error.code} (retryable: ${error.retryable}): ${error.message}`);
}

console.log(await os.ps());
await os.close();
