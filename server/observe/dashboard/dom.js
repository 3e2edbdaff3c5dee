/* dom.js – the two things that every part of the page does with elements. */

/** Sets the text only if it is another one: most are the same from frame to frame. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** make('button', {type: 'button', textContent: 'Close'}, …children) */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export const get = (id) => document.getElementById(id);
