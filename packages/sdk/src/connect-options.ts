/** How a client connects. */
export interface ConnectOptions {
  /** NATS servers, a list or separated by commas; default `nats://127.0.0.1:4222`. */
  readonly servers?: string | readonly string[];
  /** In whose name tasks are made; default `default`. */
  readonly tenant?: string;
  /** In whose name system calls are made: the tenant (default) or `operator`. */
  readonly principal?: string;
  /** Name of the connection, for people who look at the server; default `llmos-sdk`. */
  readonly name?: string;
  /** Default limit of calls, system calls and of handing a task in: 60,000 ms. */
  readonly timeoutMs?: number;
  readonly token?: string;
  readonly user?: string;
  readonly pass?: string;
  /** Path of a NATS credentials file. */
  readonly credentialsFile?: string;
  readonly tls?: NatsTlsOptions;
  /** Prefix of reply subjects, where permissions ask for one; it begins with `_INBOX`. */
  readonly inboxPrefix?: string;
  /** Aborts connecting. */
  readonly signal?: AbortSignal;
}

/** Paths of PEM files; what is left out is the system's. */
export interface NatsTlsOptions {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}
