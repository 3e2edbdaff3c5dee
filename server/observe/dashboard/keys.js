/* keys.js – the keyboard: everything that the buttons do, for a hand that stays on it.
 *
 * Letters are left to whoever types into a field, and the arrows to a focused slider or list. */
export function bindKeys(actions) {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    const target = event.target.closest('input, select, textarea, button, summary, a');
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (!action || (target && usesKey(target, event.key))) return;
    event.preventDefault();
    action();
  });
}

function usesKey(target, key) {
  const presses = key === ' ' || key === 'Enter';
  if (target.matches('input[type=range]')) return key.startsWith('Arrow');
  if (target.matches('input[type=checkbox]')) return presses;
  if (target.matches('input[type=radio]')) return presses || key.startsWith('Arrow');
  if (target.matches('button, summary, a')) return presses;
  return true;
}
