/** Makes vectors of texts. Texts of like meaning get vectors of like direction. */
export interface Embedder {
  /** Provider and model. It is stored with each vector, and a vector of another model counts as missing. */
  readonly model: string;
  /** Resolves to one vector for each text. Rejects when the provider fails or `signal` aborts. */
  embed(texts: readonly string[], signal: AbortSignal): Promise<readonly (readonly number[])[]>;
}
