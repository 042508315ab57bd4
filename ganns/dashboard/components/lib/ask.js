// Questions to the dashboard whose answer may be a reason in words.

// The page's own prefix, for proxies that add one.
export const base = () => window.path_prefix ?? "";

// { response }, or { trouble } with the reason.
export async function ask(address) {
  const response = await fetch(address).catch(() => null);
  if (response?.ok) return { response };
  const detail = (await response?.json().catch(() => null))?.detail;
  return { trouble: typeof detail === "string" ? detail : "The dashboard does not answer; try again." };
}
