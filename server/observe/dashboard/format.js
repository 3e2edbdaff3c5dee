/* format.js – numbers as people read them. */

/** "0.3 ms", "12 ms", "1.24 s" */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '–';
  if (ms < 0.005) return '0 ms';
  if (ms >= 10000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms >= 10) return `${Math.round(ms)} ms`;
  return `${ms.toFixed(ms >= 1 ? 1 : 2)} ms`;
}

/** "1 234 567" with thin spaces, or "12.3 million" */
export function count(n) {
  if (n >= 1e7) return `${(n / 1e6).toFixed(1)} million`;
  return Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** "1 query", "4 queries" */
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export function bytes(n) {
  return n >= 1 << 30 ? `${(n / 2 ** 30).toFixed(2)} GiB` : `${(n / 2 ** 20).toFixed(1)} MiB`;
}

export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

/** "21:46:05", with tenths if asked for. */
export function clockTime(date, tenths = false) {
  const two = (n) => String(n).padStart(2, '0');
  const seconds = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return tenths ? `${seconds}.${Math.floor(date.getMilliseconds() / 100)}` : seconds;
}
