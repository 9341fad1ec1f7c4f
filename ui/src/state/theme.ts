// SPDX-License-Identifier: Apache-2.0
// Light or dark: the system's choice until the user makes one. boot.ts applies it before first paint.

import { effect, signal } from '@preact/signals';

export type Theme = 'light' | 'dark';

const system = matchMedia('(prefers-color-scheme: dark)');
const stored = (): Theme | null => {
  const value = localStorage.getItem('weir.theme');
  return value === 'light' || value === 'dark' ? value : null;
};

export const theme = signal<Theme>(stored() ?? (system.matches ? 'dark' : 'light'));

system.addEventListener('change', () => {
  if (!stored()) theme.value = system.matches ? 'dark' : 'light';
});
effect(() => { document.documentElement.dataset.theme = theme.value; });

export function toggleTheme(): void {
  theme.value = theme.value === 'dark' ? 'light' : 'dark';
  localStorage.setItem('weir.theme', theme.value);
}
