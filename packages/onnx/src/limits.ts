/** Bounds of reading and writing graphs, each with its reason. */
export const ONNX_LIMITS = {
  /** Weights are read and written in pieces of at most this, whatever their size. */
  pieceBytes: 16 * 1024 * 1024,
  /** A tensor below stays in the message: shapes, axes, scalars, which editing looks at. */
  inlineBytes: 1024,
  /** Nodes, names and small tensors together; a graph of 100 layers has about 5 MB. */
  maxMessageBytes: 256 * 1024 * 1024,
  /** Protobuf ends at 2 GiB: beyond this, weights lie in a file beside the graph. */
  maxInsideBytes: 1536 * 1024 * 1024,
  /** Packed weights of one matrix that are held at once while it is quantised. */
  stripeBytes: 64 * 1024 * 1024,
} as const;
