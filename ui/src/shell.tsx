// SPDX-License-Identifier: Apache-2.0
// The frame around every page: navigation, range, refresh, theme, keyboard.

import { signal } from '@preact/signals';
import { useEffect, useErrorBoundary } from 'preact/hooks';
import type { ComponentType } from 'preact';

import { Button, ErrorNote } from './kit/basics';
import { Help } from './kit/help';
import { Mark } from './kit/icons';
import { RangePicker, RefreshPicker } from './kit/range-picker';
import { AlertsPage } from './pages/alerts';
import { GroupsPage } from './pages/groups';
import { LogsPage } from './pages/logs/page';
import { MetricsPage } from './pages/metrics/page';
import { OverviewPage } from './pages/overview/page';
import { StatusPage } from './pages/status';
import { SearchPage } from './pages/traces/search';
import { TracePage } from './pages/traces/trace';
import { listenToKeys } from './state/keys';
import { href, path } from './state/route';
import { getJson, unreachable } from './state/http';
import { refreshNow } from './state/range';
import { theme, toggleTheme } from './state/theme';

const PAGES: readonly { id: string; title: string; key: string; page: ComponentType }[] = [
  { id: '', title: 'Overview', key: 'o', page: OverviewPage },
  { id: 'traces', title: 'Traces', key: 't', page: SearchPage },
  { id: 'logs', title: 'Logs', key: 'l', page: LogsPage },
  { id: 'metrics', title: 'Metrics', key: 'm', page: MetricsPage },
  { id: 'groups', title: 'Groups', key: 'g', page: GroupsPage },
  { id: 'alerts', title: 'Alerts', key: 'a', page: AlertsPage },
  { id: 'status', title: 'Status', key: 's', page: StatusPage },
];

const helpOpen = signal(false);

export function Shell() {
  const [section = '', id] = path.value.split('/');
  const page = PAGES.find((p) => p.id === (section === 'trace' ? 'traces' : section));
  useEffect(() => listenToKeys({
    pages: Object.fromEntries(PAGES.map((p) => [p.key, p.id])),
    help: () => { helpOpen.value = !helpOpen.value; },
    escape: () => { helpOpen.value = false; },
  }), []);
  useEffect(() => { document.title = page ? `${page.title} – Weir` : 'Weir'; }, [page]);
  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      <header class="top">
        <a class="brand" href={href('')} aria-label="Weir, overview"><Mark /><span>Weir</span></a>
        <nav aria-label="Pages">
          {PAGES.map((p) => (
            <a href={href(p.id)} aria-current={p === page ? 'page' : undefined} title={`g ${p.key}`}>{p.title}</a>
          ))}
        </nav>
        <div class="top-tools">
          <RangePicker />
          <RefreshPicker />
          <Button kind="ghost" icon={theme.value === 'dark' ? 'sun' : 'moon'} onClick={toggleTheme}
            title={theme.value === 'dark' ? 'Light theme' : 'Dark theme'} />
          <Button kind="ghost" icon="help" title="Keyboard (?)" onClick={() => { helpOpen.value = true; }} />
        </div>
      </header>
      {unreachable.value && <Unreachable />}
      <main id="main" tabIndex={-1}>
        <Guard key={path.value}>
          {section === 'trace' && id ? <TracePage id={id} key={id} /> : page ? <page.page /> : <Missing />}
        </Guard>
      </main>
      {helpOpen.value && <Help close={() => { helpOpen.value = false; }} />}
    </>
  );
}

const KNOCK_MS = 2000;

/** The server is gone: says so once for the whole page, knocks, and asks everything again when it is back. */
function Unreachable() {
  useEffect(() => {
    const knock = () => getJson('/weir/v1/status').then(refreshNow, () => {});
    const timer = setInterval(knock, KNOCK_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <div class="banner" role="status">
      <strong>The server cannot be reached.</strong> What you see is from before; the page goes on by itself when it is back.
    </div>
  );
}

/** A mistake of ours on one page leaves the frame usable. */
function Guard({ children }: { children: preact.ComponentChildren }) {
  const [error, reset] = useErrorBoundary();
  return error
    ? <div class="page"><ErrorNote error={new Error(`This page failed: ${(error as Error).message}`)} retry={reset} /></div>
    : <>{children}</>;
}

function Missing() {
  return (
    <div class="page">
      <div class="empty">
        <h3>There is no such page</h3>
        <p><a href={href('')}>Go to the overview</a></p>
      </div>
    </div>
  );
}
