/** Words of eight letters, all different. */
export function wordOf(n: number): string {
  let word = "";
  for (let rest = n; word.length < 8; rest = Math.floor(rest / 26))
    word += "etaoinshrdlucmfwypvbgkjqxz"[rest % 26];
  return word;
}
