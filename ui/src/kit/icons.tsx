// SPDX-License-Identifier: Apache-2.0
// The few line icons of the page, drawn on a 16 px grid with the text's colour.

const PATHS = {
  refresh: 'M13 8a5 5 0 1 1-1.5-3.5M13 2.5v3h-3',
  chevron: 'M6 4l4 4-4 4',
  down: 'M4 6l4 4 4-4',
  left: 'M10 4L6 8l4 4',
  right: 'M6 4l4 4-4 4',
  close: 'M4 4l8 8M12 4l-8 8',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9',
  moon: 'M13 9.3A5.5 5.5 0 0 1 6.7 3a5.5 5.5 0 1 0 6.3 6.3z',
  help: 'M6 6.2a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.4M8 11.6v.2M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8z',
  clock: 'M8 4.5V8l2.3 1.5M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8z',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3l3.2 3.2',
  link: 'M6.5 9.5l3-3M7 4.8l1.4-1.4a2.6 2.6 0 0 1 3.7 3.7L10.7 8.5M9 11.2l-1.4 1.4a2.6 2.6 0 0 1-3.7-3.7l1.4-1.4',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  play: 'M5 3.2l8 4.8-8 4.8z',
  pause: 'M5.5 3v10M10.5 3v10',
  zoomout: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3l3.2 3.2M5 7h4',
  warn: 'M8 2.2l6.2 11H1.8zM8 6.5v3.2M8 11.4v.2',
  check: 'M3 8.5l3.2 3.2L13 5',
  copy: 'M5.5 5.5h7v7h-7zM3.5 10.5v-7h7',
  menu: 'M2.5 4h11M2.5 8h11M2.5 12h11',
} as const;

export type IconName = keyof typeof PATHS;

/** Decoration only: the control around it carries the name. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The mark: water over a low wall. */
export function Mark() {
  return (
    <svg width="22" height="22" viewBox="0 0 22 22" aria-hidden="true" class="mark">
      <path d="M1.5 6.5h8c4.2 0 4.4 9 8.5 9h2.5" />
      <path d="M1.5 10.5h6.2c3 0 3.4 5 6 7.2" class="mark-thin" />
      <path d="M1.5 18.5h19" class="mark-bed" />
    </svg>
  );
}
