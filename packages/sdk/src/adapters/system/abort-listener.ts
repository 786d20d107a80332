import { getMaxListeners, setMaxListeners } from 'node:events';
import { SDK_LIMITS } from '../../limits';

/**
 * Calls back when the signal aborts, or at once where it has. @returns what ends the listening.
 * One signal may end thousands of calls: Node's warning at the eleventh listener is lifted.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => undefined;
  if (signal.aborted) {
    callback();
    return () => undefined;
  }
  // A signal of another library may be no EventTarget of Node, and then has no such warning.
  const isOfNode = signal instanceof EventTarget;
  if (isOfNode && getMaxListeners(signal) < SDK_LIMITS.maxPendingRequests) {
    setMaxListeners(SDK_LIMITS.maxPendingRequests, signal);
  }
  signal.addEventListener('abort', callback, { once: true });
  return () => signal.removeEventListener('abort', callback);
}
