/** Bounds of the kernel's edge (network, streams, requests); every one has its reason. */
export const EDGE_LIMITS = {
  // Connection.
  /** A kernel often starts together with its NATS server; longer than this it is not coming. */
  connectWaitMs: 30_000,
  /** Of the server's max_payload: room for headers, fields of orders, and bodies of some size. */
  leastPayloadBytes: 96 * 1024,
  /** One JetStream request; shorter than a lease, so that a stuck one is repeated in time. */
  requestTimeoutMs: 3_000,

  // Streams. A laptop's disk must not be filled by a demo.
  storageBytes: 8 * 1024 ** 3,
  /** Where the server has less room than asked, all budgets shrink alike, down to this. */
  leastStreamBytes: 16 * 1024 * 1024,
  /** From one try of a budget to the next: what is left unused is at most a fifth. */
  budgetStep: 0.8,
  /** Of a server with less room than asked; packages and buckets have the rest. */
  budgetedShare: 0.7,
  /** What all streams together may be set to, at least: five of the smallest. */
  leastStorageBytes: 64 * 1024 * 1024,
  /** The smallest window a server accepts: its deduplication is keyed across tenants. */
  duplicateWindowMs: 100,
  /** A dead letter is stored again only by a kernel that took over in the middle. */
  deadDuplicateWindowMs: 10 * 60_000,
  maxReplicas: 3,
  /** Kernels that start together make way for each other so often; a round takes milliseconds. */
  prepareTries: 40,
  prepareRetryMs: 250,
  /** Looks at bytes that no stream shows: servers hear of each other within a second or two. */
  hiddenLooks: 12,
  /** From seeing a store's last message to noting it: longer than NATS keeps it from its disk. */
  sequenceNoteMs: 150_000,
  /** Names in the record of what has existed. */
  maxRecordedStores: 256,

  // Intake.
  maxAckPending: 1_000_000,
  /** No progress acknowledgements are sent; a task lives at most half as long. */
  ackWaitMs: 24 * 60 * 60 * 1000,
  /** Of one pull request, two per class are in flight: handled in milliseconds, in one go. */
  pullBatch: 128,
  /** The same by size: bodies may have a megabyte each. */
  pullBytes: 4 * 1024 * 1024,
  // Of tasks that come by masses while somebody calls.
  pullPacedBatch: 8,
  /** Of the event loop, so that messages of others find it idle far more often than not. */
  pacedIdleShare: 0.7,
  maxPacePauseMs: 50,
  /** How long after the last call. */
  pacedAfterCallMs: 1_000,
  pullExpiresMs: 30_000,
  /** The server says so often that a pull is still known; after three without a word, it is not. */
  pullHeartbeatMs: 1_000,
  /** What the server has delivered comes within moments; what did not come by then is lost. */
  intakeCheckMs: 1_000,
  /** Beyond this, tasks wait in the stream; a little below what the core refuses to hold. */
  maxHeldTasks: 450_000,
  /** Of the heap, for tasks, bodies and the program; the rest is room to collect garbage. */
  heapShare: 0.8,
  /** Of the heap: the program without tasks. */
  programHeapBytes: 96 * 1024 * 1024,
  leastHeldTasks: 10_000,
  /** Above it for each more urgent class, so that a mass of others never keeps it out. */
  urgentHeldTasks: 20_000,
  /** Above it for the core, which refuses what still comes then. */
  refusedHeldTasks: 50_000,
  /** Events that wait for a tick; beyond, intake pauses, the least urgent class first. */
  maxWaitingEvents: 2_048,
  /** How long a task that no consumer is given may lie, and the server's work of one look. */
  strayLookMs: 60_000,
  maxStrayReads: 1_000,
  /** Subjects of which a list is asked for: a quarter of a second of the server, once a minute. */
  maxListedSubjects: 10_000,
  /** Until the lines are empty once, it is looked so often for tasks that the server passes over. */
  skippedLookMs: 2_000,
  // Tasks of calls that are taken in ahead of their delivery.
  /** Ended ones whose delivery has not come; beyond, calls stand in line as everything does. */
  maxAheadTasks: 65_536,
  /** A delivery comes within milliseconds but for a long line; answers are kept longer than this. */
  aheadDeliveryMs: 60_000,
  /** Deletions on their way at once. */
  maxAheadDeletions: 64,
  /** No delivery comes so long after the message was deleted. */
  aheadForgetMs: 30_000,
  aheadLookMs: 1_000,
  /** Tenants times functions in use; beyond it they are read anew. */
  maxKnownSubjects: 4_096,
  bodyCacheBytes: 256 * 1024 * 1024,
  /** Of the heap, where that is less: small bodies are kept in it. */
  bodyCacheShare: 0.1,
  /** A body up to this is kept as text, which takes less room beside it than bytes. */
  smallBodyBytes: 1_024,
  /** Look-ups, commits and attempt records in flight at once. */
  maxStoreRequests: 256,
  /** Of one tenant: what others ask for waits behind so many, in the server too. */
  maxTenantStoreRequests: 64,
  /** Of a class below interactive while somebody calls: its answers come together, in one turn. */
  maxPacedStoreRequests: 16,
  /** Acknowledgements that are sent once more after a reconnect: those of the last seconds. */
  maxRecentAcks: 8_192,
  /** Of one class that are not sent yet; beyond, its intake pauses. More than the core asks for. */
  maxWaitingStoreRequests: 8_192,
  // What a new leader reads of its backlog at once.
  /** Longer than a million results take; what is not known by then is asked for one by one. */
  walkMs: 30_000,
  /** Results; four bytes each are remembered. */
  maxWalked: 1_000_000,
  /** Rows of tasks that were tried more than once. */
  maxWalkedRows: 100_000,
  /** The same by what the rows have in their stream: with more, each task asks for its own. */
  maxWalkedRowBytes: 64 * 1024 * 1024,
  /** A row with all failures that are kept has a few KiB; a larger one is ignored. */
  maxAttemptRowBytes: 64 * 1024,
  /** Results for each task that waits: with more of them, asking for each task is less work. */
  walkShare: 8,
  /** How long this is remembered, and how many results with those that are committed meanwhile. */
  backlogKnownMs: 10 * 60_000,
  maxKnownResults: 4_000_000,
  /** How often the core is told that old tasks still wait in their stream. */
  intakeHeldBackMs: 500,
  /** Consumers of lower epochs are deleted again while the server reports an overlap. */
  takeoverTries: 300,
  /** A cluster that has lost a server elects leaders of its streams within a few seconds. */
  takeoverWaitMs: 30_000,
  takeoverRetryMs: 100,

  /** From the grant of the lease to the first tick: longer than every wait on the way. */
  beginMs: 180_000,

  // Control loop. Bounded work per tick keeps the network served.
  maxEventsPerTick: 4_096,
  /** Of one tick; whatever events cost, the network is read and the lease renewed in between. */
  applyMs: 10,
  /** Of it, for tasks from the stream: what others need meanwhile waits no longer. */
  applyIntakeMs: 3,
  /** After a turn that took longer, the network and the timers come before the next. */
  longTurnMs: 3,
  /** Reports beyond this are dropped; processes repeat them. */
  maxQueuedEvents: 200_000,
  /** A loop that comes so much too late was held up; then it first reads the network this long. */
  heldUpMs: 250,
  catchUpMs: 50,
  /** How long messages wait that nobody waits for: a write for many costs what one costs. */
  slowLaneMs: 4,
  maxSlowMessages: 1_024,
  /** A timer must not be longer than Node can count. */
  maxTimerMs: 60_000,

  // Leadership.
  /**
   * A lapsed lease may be regained this long: servers choose new leaders in less, and with the
   * lease it stays below the silence for which a process is killed.
   */
  lapseMs: 20_000,
  /** Between two leaderships that fail one after the other: a cause that stays is met so often. */
  maxFailedWaitMs: 60_000,
  /** Queued work, free hands, and nothing happens: longer than a model takes to load. */
  stuckMs: 180_000,
  maxStuckMs: 60 * 60_000,
  stuckCheckMs: 1_000,

  // Requests.
  maxWaiters: 100_000,
  /** One tenant may not take every place. */
  maxWaitersPerTenant: 50_000,
  // Tasks of `submit` and `call` on their way into the stream: in all, and of one tenant.
  maxPublishes: 4_096,
  maxPublishesPerTenant: 1_024,
  /** A server that is slow holds them up: they lie in the client's buffers until then. */
  maxPublishBytes: 64 * 1024 * 1024,
  maxTenantPublishBytes: 16 * 1024 * 1024,
  /** Those that wait for that, their tenants in turn; beyond, a request is refused with a hint. */
  maxWaitingPublishes: 32_768,
  maxWaitingPerTenant: 16_384,
  maxWaitingBytes: 64 * 1024 * 1024,
  maxTenantWaitingBytes: 32 * 1024 * 1024,
  /** Requests handled in one turn of the event loop; others wait, their tenants in turn. */
  requestsPerTurn: 64,
  /** Of a tenant that has nothing in line while others have. */
  requestsPastLine: 4,
  // While several tenants ask.
  /** More than callers who wait for their answers have in line: handled at once, few wait. */
  longLine: 128,
  slowPerTurn: 8,
  /** A tenth of the loop is left to a long line. */
  burstPauseFactor: 9,
  /** A second's worth; whoever is beyond is told at once when to ask again. */
  maxBurstRequests: 1_024,
  /** Several times `retryAfterMs`: who goes on so long, mostly with what is wrong, is a flood. */
  floodAfterMs: 5_000,
  /** So few that hardly any is in line when garbage is collected. */
  maxFloodRequests: 64,
  /** What follows from a request takes far longer than to read it. */
  floodPauseFactor: 60,
  /** A machine that stood still meanwhile must not make it longer. */
  maxLinePauseMs: 1_000,
  contestedAfterMs: 1_000,
  /** Beyond, a request is refused with a hint: in all, and of one tenant. */
  maxWaitingRequests: 65_536,
  maxWaitingRequestsPerTenant: 32_768,
  maxWaitingRequestBytes: 64 * 1024 * 1024,
  /** Of one tenant that has something in line, while others ask. */
  maxTenantRequestBytes: 16 * 1024 * 1024,
  /** Words of results that came before their task's sequence was known. */
  maxEarlyResults: 1_024,
  maxEarlyBytes: 16 * 1024 * 1024,
  // The word of committed results, and their bodies (see BodyTravel).
  /** Bodies in vain that cost a kernel as much as one read: 40 µs of its time. */
  readWorthBytes: 16 * 1024,
  /** Results that tell whether bodies are wanted; of older ones, the half of their weight each. */
  bodyTravelWindow: 256,
  /** Between two changes of that: each makes a consumer, and bursts of calls come and go faster. */
  bodyTravelDwellMs: 10_000,
  /** How often it is looked whether they are, and whether the consumer is silent. */
  resultLookMs: 500,
  /** Reads of results that are waited for and came without their body: in all, of one tenant. */
  maxNoticedReads: 256,
  maxTenantNoticedReads: 64,
  /** Bodies that these bring, by what the notices say; one that is larger is read alone. */
  maxNoticedBytes: 64 * 1024 * 1024,
  maxTenantNoticedBytes: 16 * 1024 * 1024,
  /** Of the consumer of results; after three without a word it is made anew. */
  resultHeartbeatMs: 2_000,
  resultRestartMs: 250,
  /** The server drops a consumer that nobody listens to. */
  resultConsumerIdleMs: 30_000,
  waiterSweepMs: 500,
  /** A result whose delivery was lost is found by a look-up after this. */
  waiterLookUpMs: 5_000,
  maxLookUpsPerSweep: 64,
  /** A read of a result that the intake of the same task may use; it follows within moments. */
  recentReadMs: 1_000,
  maxRecentReads: 4_096,
  /** Ids that `submit` tells a repeat by until the task is taken in, or has its result. */
  maxStoredIds: 65_536,
  /** The core commits an expired task's error first; the waiter answers by itself after this. */
  waiterGraceMs: 2_000,
  retryAfterMs: 1_000,
  /** Of all but `model-add`: nothing else has more to say. */
  maxSystemCallBytes: 8 * 1024,
  maxAddCallBytes: 1024 * 1024,
  /** Registrations that are added, or wait for that, at once. */
  maxAdditions: 64,

  // Lists of system calls, a page each: written in a few milliseconds, while nothing else is done.
  pageBytes: 256 * 1024,
  /** Around the rows of a page, with its token. */
  pageReserveBytes: 2 * 1024,
  maxPageRows: 10_000,
  /** Versions that one request removes: their names fit into its answer. */
  maxRemovedAtOnce: 1_000,

  // Readers that attached. Their tokens pass through the kernel, those of nobody else do.
  maxReaders: 512,
  /** One tenant may not take every place. */
  maxReadersPerTenant: 128,
  /** After each message to a reader; what comes meanwhile goes together: 50 messages a second. */
  readerPaceMs: 20,
  /** Of the chunks in one message, about. */
  maxReaderBytes: 64 * 1024,
  /** A reader that is gone is found by this; one that hears nothing longer attaches again. */
  readerKeepAliveMs: 10_000,
  /** A chunk that nobody announced is found by a look after this. */
  readerLookMs: 2_000,
  /** A task that was just stored may not be taken in yet; longer than this, it is unknown. */
  readerUnknownMs: 1_000,
  readerUnknownLookMs: 50,

  // Callers that tasks are bound to.
  /** So often is each asked whether it is there: little work, and soon enough to be of use. */
  callerLookMs: 1_000,
  /** Looks in a row in which nobody listened: a client that reconnects is back within them. */
  callerUnheardLooks: 3,
  /** Looks in a row without an answer: a program may stand still for a while without being gone. */
  callerSilentLooks: 10,
  /** Looks in which nobody is judged after this kernel was cut off from NATS. */
  callerGraceLooks: 10,
  /** Looks until the server must have handed on what was asked; then it counts as away. */
  callerMarkLooks: 3,
  /** Questions of one look; with more callers, each is asked less often. */
  maxAskedCallers: 4_096,
  /** One tenant may not take every place. */
  maxAskedPerTenant: 1_024,
  maxReplicasPerModel: 256,
  maxModels: 10_000,
  /** Longer than a large package is on its way: its files are stored first, its row last. */
  packageGraceMs: 6 * 60 * 60_000,
  /** How often the leader looks for package files that no model names. */
  packageLookMs: 10 * 60_000,
  /** Two for each file: a list of them is a second of the server and 10 MB, once in a while. */
  maxPackageSubjects: 100_000,
  /** Removed after one look: models are added again after them. */
  maxRemovedFiles: 256,
  maxFunctions: 10_000,
  maxPackageFiles: 2_048,
  /** Of one registration, which travels inside one message. */
  maxRegistrationBytes: 512 * 1024,
  /** What its row has beside it, at most. */
  registrationRowBytes: 1024,
  maxVersionTries: 10,
  /** A stored model shows in the watch within milliseconds; its caller waits no longer. */
  modelKnownMs: 5_000,
  maxAnnouncementsPerTick: 1_000,
  /** Of the store of answers, for those that one kernel has delivered; the rest is for unread ones. */
  deliveredShare: 0.25,
  /** Deletions of delivered answers on their way at once. */
  maxAnswerDeletions: 64,
  /** Places of delivered answers that are remembered; 2,000 a second for as long as they are kept. */
  maxDeliveredAnswers: 300_000,
  /** `submit` and `call` refuse while the results have less room: the largest one must fit. */
  resultRoomBytes: 1024 * 1024,
  /** While it is nearly full, what each tenant has is counted this often, at most. */
  countStoreMs: 30_000,
  /** Between two counts, for each millisecond of the last one: a twentieth of the time. */
  countPauseFactor: 20,
  /**
   * Of a store that is counted: beyond, the smallest are given up, and what others have is known to
   * one of so many parts of the store.
   */
  maxCountedTenants: 4_096,
  /** Results that are stored while a count is under way; what is beyond them shows in the next. */
  maxNotedMeanwhile: 65_536,
  /** Of a store of results: when so much was stored since the last look, it is looked at again. */
  unseenShare: 0.05,
  /** How full the results are is looked at this often. */
  resultRoomLookMs: 5_000,
  /** Scrapes and `status` within this time share one look at the streams. */
  streamReadingMs: 1_000,

  // Foreign text that is stored or forwarded.
  maxHeaderChars: 1_024,
  /** Of an order to a process, beside the body: ids, names, a trace. */
  mailFieldsBytes: 16 * 1024,

  // Nodes.
  maxNodes: 1_024,
  maxNodeMessageBytes: 1024 * 1024,
  maxKernelMessageBytes: 4 * 1024 * 1024,
  /** A stream that does not register is closed. */
  registerWithinMs: 10_000,
  /** Connections to the node registry, above the nodes there may be. */
  maxNodeConnections: 2_048,
  /** One that serves no node is closed; longer than its stream has to register. */
  unservedMs: 15_000,
  /** Sent by connections that serve no node, all together: beginnings of messages lie in memory. */
  unservedBytes: 64 * 1024 * 1024,
  unservedLookMs: 250,
  /** An agent has one stream, and for a moment a second one. */
  maxStreamsOfConnection: 8,
  /** Workers that share a name by mistake, and that the newest of them replaced. */
  maxReplacedSessions: 16,
  /** Unsent commands to one node; a node that does not read is dropped. */
  maxUnsentMessages: 10_000,
  grpcKeepaliveMs: 10_000,
  grpcKeepaliveTimeoutMs: 5_000,

  // The HTTP port. Beyond, a new connection takes the place of the one that has waited longest.
  httpConnections: 256,
  /** A client that sends or takes nothing for this long makes room for others. */
  httpIdleMs: 10_000,

  // Stopping.
  stopWithinMs: 8_000,
  /** For what the server sent before it read that nothing more is wanted. */
  drainMs: 500,
  /** For requests in line, and again for tasks on their way into the stream. */
  finishMs: 2_000,
} as const;

/** Requests to JetStream that must succeed, while the leadership lasts. */
export const STORE_RETRY = { firstMs: 50, factor: 2, maxMs: 2_000 } as const;
/** A reader's look at the stored chunks that failed. */
export const READER_RETRY = { firstMs: 100, factor: 2, maxMs: 5_000 } as const;
