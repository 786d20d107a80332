/** Bounds of one step, each with its reason. */
export const ENGINE_LIMITS = {
  /** Larger bodies travel by reference and are read elsewhere; a thread never parses more. */
  maxBodyBytes: 64 * 1024 * 1024,
  /** Deeper JSON is an attack on the stack of whoever walks it. */
  maxBodyDepth: 128,
  /** Rows and tokens of one encoder run: beyond these a run takes long without more throughput. */
  maxBatchRows: 32,
  maxBatchTokens: 4096,
  /** The same on a CPU, where a quarter of that is as fast: urgent work waits for one run. */
  cpuBatchTokens: 1024,
  /** One more encoder run costs a CPU the time of this many tokens: 1.5 ms of 0.2 ms each. */
  runCostTokens: 7,
  /** On a GPU a token costs next to nothing, and a run always the same. */
  deviceRunCostTokens: 512,
  /** Tokens that an answer may wait for others of its step: some 60 ms of a small encoder. */
  heldAnswerTokens: 256,
  /** States of a stateful model that one process keeps; the least recently used go first. */
  maxStateKeys: 10_000,
  maxStateBytes: 256 * 1024 * 1024,
  /** Elements of one tensor: 1 GB of float32. */
  maxTensorElements: 268_435_456,
  /** Characters of a prompt for each token that the model reads: hardly any token has more. */
  maxTokenCharacters: 64,
  /** Of a tokenizer with regular expressions of its own, for one text: a megabyte takes a tenth. */
  tokenizerMs: 10_000,
  /** Of a chat template, for one prompt: some seconds. A thousand messages take a tenth of it. */
  maxTemplateSteps: 1_000_000,
  /** A round of a template's loop takes as long as so many other steps. */
  templateRoundSteps: 10,
  /** Characters of a text that a template makes in the time of one step. */
  templateStepChars: 64,
  /** Prompt tokens that one step feeds: a cancel is heard, and a first token sent, between. */
  prefillTokens: 256,
  /** The same while other sequences wait for their next token in that step. */
  sharedPrefillTokens: 64,
  /** Where a prompt's parts must be alike each time: their size. It divides the two above. */
  alikePartTokens: 64,
  /** Memory of all rows of keys and values of one process. */
  maxKvBytes: 4 * 1024 * 1024 * 1024,
  /** Room that rows keep although nobody needs it: given back, it would be asked for again. */
  keptRowBytes: 64 * 1024 * 1024,
  /** Tokens of a row at first: growth below costs more copies than it saves. */
  leastRowTokens: 64,
  /** Logits beyond this are not worth a buffer that stays: 8 MB. */
  maxKeptLogits: 2 * 1024 * 1024,
  /** Shorter beginnings of prompts are computed sooner than found and copied. */
  minPrefixTokens: 16,
  /** Tokens that one run verifies beyond the last one. */
  maxDraftTokens: 8,
  /** Counts of a generating thread are told at most this often. */
  contextCountsMs: 500,
  /** Costs of requests that run are told at most this often: twice in a heartbeat. */
  costsMs: 500,
} as const;
