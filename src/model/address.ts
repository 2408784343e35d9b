/** `openai:gpt-5` as provider and model. */
export function splitName(name: string): [provider: string, modelId: string] {
  const at = name.indexOf(":");
  return [name.slice(0, at), name.slice(at + 1)];
}

/** `fetch` refuses a URL with a user and password, so they go into a header, as a browser would send them. */
export function addressOf(base: URL): { baseURL: string; headers?: Record<string, string> } {
  const plain = new URL(base);
  plain.username = "";
  plain.password = "";
  const baseURL = plain.href.replace(/\/$/, "");
  if (!base.username && !base.password) return { baseURL };
  const pair = `${decodeURIComponent(base.username)}:${decodeURIComponent(base.password)}`;
  return { baseURL, headers: { Authorization: `Basic ${Buffer.from(pair).toString("base64")}` } };
}
