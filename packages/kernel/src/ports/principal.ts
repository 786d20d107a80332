import type { TenantId } from '@llmos/base';

/**
 * Who asks, and what it may do. Whoever brings a request in has seen to it that this is so: the
 * accounts of the NATS server say who may publish in whose name.
 */
export interface Principal {
  /** Whose tasks, limits and readers are meant. */
  readonly tenant: TenantId;
  /** May change what all tenants share: models, replicas, processes. */
  readonly isOperator: boolean;
}
