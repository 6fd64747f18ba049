// A terminal in the VM, or in one app's container. xterm.js is fetched with this file, when a terminal is first shown.
import { Button, NativeSelect, useComputedColorScheme } from '@mantine/core';
import { FitAddon } from '@xterm/addon-fit';
import { Terminal as Xterm, type ITheme } from '@xterm/xterm';
import xtermStyle from '@xterm/xterm/css/xterm.css' with { type: 'text' };
import { ClipboardPaste, Copy as CopyIcon, Play, Plug, Trash2 } from 'lucide-react';
import { useContext, useEffect, useRef, useState } from 'react';
import { list } from '../apps/apps.ts';
import { words, type Api } from '../gateway/call.ts';
import { base } from '../gateway/project.ts';
import { announce } from '../parts/Announcer.tsx';
import { useLoaded } from '../parts/loaded.ts';
import { Shown } from '../parts/shown.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';
import { act, type VmState } from './vm.ts';

interface Props { api: Api; state: VmState | undefined; start: () => void; shown: boolean }

type Line = { kind: 'none' } | { kind: 'opening' } | { kind: 'open' } | { kind: 'closed'; why: string };

const themes: Record<'light' | 'dark', ITheme> = {
  light: {
    background: '#ffffff', foreground: '#171717', cursor: '#0b6e4a', cursorAccent: '#ffffff', selectionBackground: '#3ecf8e55',
    black: '#171717', red: '#b42318', green: '#0b6e4a', yellow: '#8a5300', blue: '#175a9c', magenta: '#6d3fb8', cyan: '#0b6b7a', white: '#666666',
    brightBlack: '#767676', brightRed: '#d03a2d', brightGreen: '#138a5c', brightYellow: '#a86800', brightBlue: '#2a74bd', brightMagenta: '#8657d6', brightCyan: '#118499', brightWhite: '#171717',
  },
  dark: {
    background: '#181818', foreground: '#ededed', cursor: '#3ecf8e', cursorAccent: '#181818', selectionBackground: '#3ecf8e44',
    black: '#2b2b2b', red: '#ff8f85', green: '#3ecf8e', yellow: '#f0b04f', blue: '#8fc1f5', magenta: '#c2a4f5', cyan: '#6fd3dc', white: '#d0d0d0',
    brightBlack: '#8c8c8c', brightRed: '#ffaaa2', brightGreen: '#72e3ad', brightYellow: '#f7c879', brightBlue: '#b3d6fa', brightMagenta: '#d6c2fa', brightCyan: '#98e4ea', brightWhite: '#ffffff',
  },
};

/** `start` is called once the VM was told to start. */
export default function Terminal({ api, state, start, shown: inFront }: Props) {
  const scheme = useComputedColorScheme('light');
  const frame = useRef<HTMLDivElement>(null);
  const terminal = useRef<Xterm>(undefined);
  const fit = useRef<FitAddon>(undefined);
  const tunnel = useRef<Tunnel>(undefined);
  const [line, setLine] = useState<Line>({ kind: 'none' });
  const [app, setApp] = useState('');
  const [selected, setSelected] = useState(false);
  const [refused, setRefused] = useState<string>();
  const shown = useContext(Shown) && inFront;
  const apps = useLoaded(shown ? () => list(api) : undefined, [api, shown]);
  const ready = state === 'ready' || state === 'paused';

  useEffect(() => {
    const xterm = new Xterm({ fontFamily: 'ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace', fontSize: 13, lineHeight: 1.2, cursorBlink: false, scrollback: 5_000, theme: themes[scheme], macOptionIsMeta: true });
    const fitting = new FitAddon();
    xterm.loadAddon(fitting);
    xterm.open(frame.current!);
    xterm.textarea?.setAttribute('aria-label', 'Terminal input. Shift and Tab leave it.');
    xterm.attachCustomKeyEventHandler((event) => {
      // A way out by keyboard: Tab itself belongs to the shell.
      if (event.key === 'Tab' && event.shiftKey) return false;
      if (event.type === 'keydown' && event.ctrlKey && event.shiftKey && event.code === 'KeyC') {
        event.preventDefault();
        copy(xterm);
        return false;
      }
      if (event.type === 'keydown' && event.ctrlKey && event.shiftKey && event.code === 'KeyV') {
        event.preventDefault();
        void paste(xterm);
        return false;
      }
      return true;
    });
    const listening = [
      xterm.onData((data) => tunnel.current?.send(data)),
      xterm.onBinary((data) => tunnel.current?.send(Uint8Array.from(data, (character) => character.charCodeAt(0)).buffer)),
      xterm.onResize(({ cols, rows }) => tunnel.current?.resize(cols, rows)),
      xterm.onSelectionChange(() => setSelected(xterm.hasSelection())),
    ];
    const watch = new ResizeObserver(() => frame.current?.offsetParent && fitting.fit());
    watch.observe(frame.current!);
    terminal.current = xterm;
    fit.current = fitting;
    return () => {
      watch.disconnect();
      for (const each of listening) each.dispose();
      tunnel.current?.close();
      xterm.dispose();
    };
    // The theme is set below, where it changes.
  }, []);

  useEffect(() => {
    if (terminal.current) terminal.current.options.theme = themes[scheme];
  }, [scheme]);

  const connect = (name: string) => {
    const xterm = terminal.current;
    if (!xterm) return;
    const before = tunnel.current;
    tunnel.current = undefined;
    before?.close();
    xterm.reset();
    fit.current?.fit();
    setLine({ kind: 'opening' });
    const query = new URLSearchParams({ columns: String(xterm.cols), rows: String(xterm.rows), ...(name && { app: name }) });
    const opened: Tunnel = openTunnel(`${base(api.project)}/gateway/vm/terminal?${query}`, (arrived) => {
      // One that was replaced says nothing more.
      if (tunnel.current !== opened) return;
      switch (arrived.kind) {
        case 'open':
          setLine({ kind: 'open' });
          announce('Terminal is open');
          // It may have been resized on the way.
          opened.resize(xterm.cols, xterm.rows);
          return;
        case 'message': return xterm.write(typeof arrived.data === 'string' ? arrived.data : new Uint8Array(arrived.data));
        case 'close': {
          const why = arrived.clean ? `The shell has ended${arrived.reason && ` (${arrived.reason})`}` : arrived.reason || 'The connection broke';
          setLine({ kind: 'closed', why });
          announce(`Terminal closed: ${why}`);
        }
      }
    });
    tunnel.current = opened;
  };

  // The first time it is looked at while the VM runs; after that it is asked for.
  useEffect(() => {
    if (shown && state === 'ready' && line.kind === 'none') connect(app);
  }, [shown, state, line.kind]);

  const boot = async () => {
    setRefused(undefined);
    try {
      await act(api, 'start');
    } catch (error) {
      setRefused(words(error));
    }
    start();
  };
  const choose = (name: string) => {
    setApp(name);
    if (ready) {
      connect(name);
      terminal.current?.focus();
    }
  };
  const names = apps.value?.map(({ name }) => name) ?? [];

  return (
    <div className="terminal">
      <style>{xtermStyle}</style>
      <div className="bar terminal-bar">
        <NativeSelect aria-label="Where" value={app} onChange={(event) => choose(event.currentTarget.value)} data={[{ value: '', label: 'The system' }, ...names.map((name) => ({ value: name, label: `App ${name}` }))]} />
        <span className="quiet terminal-line">{line.kind === 'open' ? 'Connected' : line.kind === 'opening' ? 'Connecting…' : ''}</span>
        <span className="head-space" />
        <span className="actions">
          <Button leftSection={<CopyIcon size={13} aria-hidden />} disabled={!selected} title="Ctrl+Shift+C" onClick={() => copy(terminal.current)}>Copy</Button>
          <Button leftSection={<ClipboardPaste size={13} aria-hidden />} disabled={line.kind !== 'open'} title="Ctrl+Shift+V" onClick={() => void paste(terminal.current)}>Paste</Button>
          <Button leftSection={<Trash2 size={13} aria-hidden />} onClick={() => terminal.current?.clear()}>Clear</Button>
          <Button leftSection={<Plug size={13} aria-hidden />} disabled={!ready || line.kind === 'opening'} onClick={() => { connect(app); terminal.current?.focus(); }}>{line.kind === 'closed' || line.kind === 'none' ? 'Connect' : 'Reconnect'}</Button>
        </span>
      </div>
      <div className="terminal-frame" data-off={line.kind === 'none' || line.kind === 'closed' || undefined}>
        <div className="terminal-screen" ref={frame} />
        {(line.kind === 'closed' || (line.kind === 'none' && !ready)) && (
          <div className="terminal-off">
            <p>{line.kind === 'closed' ? line.why : state === 'loading' || state === 'booting' ? 'The VM starts: the terminal opens when it runs.' : 'The VM does not run.'}</p>
            {refused && <p className="bad" role="alert">{refused}</p>}
            {ready && <Button variant="filled" leftSection={<Plug size={13} aria-hidden />} onClick={() => { connect(app); terminal.current?.focus(); }}>Reconnect</Button>}
            {(state === 'unloaded' || state === 'stopped' || state === 'error') && <Button variant="filled" leftSection={<Play size={13} aria-hidden />} onClick={() => void boot()}>Start the VM</Button>}
          </div>
        )}
      </div>
      <p className="quiet hint">Shift+Tab leaves the terminal. Ctrl+Shift+C copies the selection, Ctrl+Shift+V pastes. Inside, <code>localhost:5173</code> is this project’s API and <code>localhost:5432</code> its Postgres.</p>
    </div>
  );
}

function copy(xterm: Xterm | undefined): void {
  const text = xterm?.getSelection();
  if (!text) return;
  void navigator.clipboard.writeText(text).then(() => announce('Copied the selection'), () => announce('The browser refused the clipboard'));
}

async function paste(xterm: Xterm | undefined): Promise<void> {
  try {
    xterm?.paste(await navigator.clipboard.readText());
    xterm?.focus();
  } catch {
    announce('The browser refused the clipboard: paste by its own menu');
  }
}
