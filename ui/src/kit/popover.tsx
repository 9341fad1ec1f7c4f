// SPDX-License-Identifier: Apache-2.0
// A button that opens a small panel below it; a click elsewhere or Escape closes it.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export function Popover({ button, label, align = 'right', children }: {
  button: ComponentChildren; label: string; align?: 'left' | 'right';
  children: (close: () => void) => ComponentChildren;
}) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return undefined;
    const away = (e: Event) => { if (!box.current?.contains(e.target as Node)) setOpen(false); };
    const escape = (e: KeyboardEvent) => {
      if (e.key !== 'Escape') return;
      setOpen(false);
      box.current?.querySelector('button')?.focus();
    };
    addEventListener('pointerdown', away, true);
    addEventListener('keydown', escape);
    return () => {
      removeEventListener('pointerdown', away, true);
      removeEventListener('keydown', escape);
    };
  }, [open]);
  return (
    <div class="popover" ref={box}>
      <button type="button" class="button plain" aria-expanded={open} aria-haspopup="dialog" aria-label={label}
        title={label} onClick={() => setOpen(!open)}>{button}</button>
      {open && <div class={`popover-panel ${align}`} role="dialog" aria-label={label}>{children(() => setOpen(false))}</div>}
    </div>
  );
}
