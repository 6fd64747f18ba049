// The shell: a header with the gateway's state, the places to go, and the place one is at.
import { ActionIcon, Menu, useMantineColorScheme } from '@mantine/core';
import { AppWindow, Archive, Cpu, Database, FolderOpen, House, Inbox, Monitor, Moon, Send, ShieldCheck, SquareTerminal, Sun, Users as People, Zap, type LucideIcon } from 'lucide-react';
import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from 'react';
import { Home } from './Home.tsx';
import { StatePill } from './gateway/StatePill.tsx';
import { Trouble } from './gateway/Trouble.tsx';
import { ProjectSwitcher } from './gateway/ProjectSwitcher.tsx';
import { Announcer } from './parts/Announcer.tsx';
import { ErrorBoundary } from './parts/ErrorBoundary.tsx';
import { Shown } from './parts/shown.ts';
import { LandedNotice } from './users/LandedNotice.tsx';

const SqlEditor = lazy(() => import('./sql/SqlEditor.tsx'));
const RequestConsole = lazy(() => import('./requests/RequestConsole.tsx'));
const Users = lazy(() => import('./users/Users.tsx'));
const Outbox = lazy(() => import('./outbox/Outbox.tsx'));
const Storage = lazy(() => import('./storage/Storage.tsx'));
const Policies = lazy(() => import('./policies/Policies.tsx'));
const Functions = lazy(() => import('./functions/Functions.tsx'));
const Apps = lazy(() => import('./apps/Apps.tsx'));
const Vm = lazy(() => import('./vm/Vm.tsx'));
const SampleData = lazy(() => import('./sample/SampleData.tsx'));
const Backup = lazy(() => import('./backup/Backup.tsx'));

const places = {
  '': { title: 'Project', icon: House, show: () => <Home /> },
  sql: { title: 'SQL editor', icon: SquareTerminal, show: () => <SqlEditor /> },
  requests: { title: 'Requests', icon: Send, show: () => <RequestConsole /> },
  users: { title: 'Users', icon: People, show: () => <Users /> },
  outbox: { title: 'Outbox', icon: Inbox, show: () => <Outbox /> },
  storage: { title: 'Storage', icon: FolderOpen, show: () => <Storage /> },
  policies: { title: 'Policies', icon: ShieldCheck, show: () => <Policies /> },
  functions: { title: 'Functions', icon: Zap, show: () => <Functions /> },
  apps: { title: 'Apps', icon: AppWindow, show: () => <Apps /> },
  vm: { title: 'VM', icon: Cpu, show: () => <Vm /> },
  sample: { title: 'Sample data', icon: Database, show: () => <SampleData /> },
  backup: { title: 'Backup', icon: Archive, show: () => <Backup /> },
} satisfies Record<string, { title: string; icon: LucideIcon; show: () => ReactNode }>;

type Place = keyof typeof places;
const order = Object.keys(places) as Place[];

export function App() {
  const place = usePlace();
  // A place that was opened stays, so that what was typed and answered there stays.
  const [opened, setOpened] = useState<Place[]>([place]);
  if (!opened.includes(place)) setOpened([...opened, place]);
  const main = useRef<HTMLElement>(null);
  const here = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    // On a narrow window the places are a strip that scrolls.
    const link = here.current;
    if (link?.parentElement) link.parentElement.scrollLeft = link.offsetLeft - (link.parentElement.clientWidth - link.offsetWidth) / 2;
    document.title = `${places[place].title} · Supabase Lite Gateway`;
  }, [place]);

  return (
    <div className="shell">
      <button type="button" className="skip" onClick={() => main.current?.focus()}>Skip to content</button>
      <header className="head">
        <a className="brand" href="#/">
          <Mark />
          <span className="brand-name">Supabase Lite</span>{' '}
          <span className="brand-part">Gateway</span>
        </a>
        <ProjectSwitcher />
        <span className="head-space" />
        <StatePill />
        <SchemeSwitch />
      </header>
      <nav className="places" aria-label="Places">
        {order.map((name) => {
          const { title, icon: Icon } = places[name];
          return (
            <a key={name} ref={name === place ? here : undefined} href={`#/${name}`} aria-current={name === place ? 'page' : undefined}>
              <Icon size={16} strokeWidth={1.75} aria-hidden />
              <span>{title}</span>
            </a>
          );
        })}
      </nav>
      <main className="main" ref={main} tabIndex={-1}>
        <Trouble />
        <LandedNotice />
        {opened.map((name) => (
          <section key={name} hidden={name !== place} aria-label={places[name].title} className="place">
            <ErrorBoundary what={places[name].title}>
              <Shown value={name === place}>
                <Suspense fallback={<p className="quiet">Loading…</p>}>{places[name].show()}</Suspense>
              </Shown>
            </ErrorBoundary>
          </section>
        ))}
      </main>
      <Announcer />
    </div>
  );
}

/** The place in the address: `#/sql`. */
function usePlace(): Place {
  const read = (): Place => {
    const name = location.hash.replace(/^#\/?/, '').split('?')[0] ?? '';
    return name in places ? (name as Place) : '';
  };
  const [place, setPlace] = useState(read);
  useEffect(() => {
    const follow = () => setPlace(read());
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return place;
}

const schemes = { auto: ['System', Monitor], light: ['Light', Sun], dark: ['Dark', Moon] } as const;

function SchemeSwitch() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Icon = schemes[colorScheme][1];
  return (
    <Menu position="bottom-end" width={140}>
      <Menu.Target>
        <ActionIcon aria-label={`Appearance: ${schemes[colorScheme][0]}`}><Icon size={16} aria-hidden /></ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {(['auto', 'light', 'dark'] as const).map((scheme) => {
          const [label, Each] = schemes[scheme];
          return <Menu.Item key={scheme} fz="sm" leftSection={<Each size={14} aria-hidden />} aria-current={scheme === colorScheme || undefined} onClick={() => setColorScheme(scheme)}>{label}</Menu.Item>;
        })}
      </Menu.Dropdown>
    </Menu>
  );
}

/** The product's mark: a bolt through a gate. */
function Mark() {
  return (
    <svg className="mark" viewBox="0 0 24 24" width="20" height="20" aria-hidden>
      <path d="M13.5 2 4 13.2h6.6L9.8 22 20 10.4h-7.1z" fill="currentColor" />
    </svg>
  );
}
