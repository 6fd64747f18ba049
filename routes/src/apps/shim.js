// Stands in for WebSocket in pages of guest applications, because a service worker does not see one. What would have been a
// connection is a MessagePort: the service worker passes it on to the VM worker, so it outlives the service worker.
//
// Sockets to this origin go that way, and those to `localhost` at this page's port; which application is meant is decided
// where all other requests are. Any other socket is the browser's own.
(() => {
  'use strict';
  const Native = globalThis.WebSocket;
  const { serviceWorker } = navigator;
  if (!Native || !serviceWorker) return;

  const CONNECTING = 0;
  const OPEN = 1;
  const CLOSING = 2;
  const CLOSED = 3;
  /** Milliseconds that an application may take to answer, as for any other request. */
  const patience = 150_000;
  /** Milliseconds that it may take to answer a close. */
  const farewell = 10_000;
  const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
  const local = ['localhost', '127.0.0.1', '[::1]'];
  const open = new Set();

  let held;
  /** The lock that this page holds while it lives, from its first socket on. */
  const alive = () => (held ??= new Promise((known) => {
    const life = `gateway:page:${crypto.randomUUID()}`;
    if (!navigator.locks) known(undefined);
    else navigator.locks.request(life, () => new Promise(() => known(life))).catch(() => known(undefined));
  }));

  /** The URL of a socket (WebSockets standard, "obtain a WebSocket connection"). */
  const parse = (url) => {
    let parsed;
    try {
      parsed = new URL(url, document.baseURI);
    } catch {
      throw new DOMException(`The URL '${url}' is invalid.`, 'SyntaxError');
    }
    if (parsed.protocol === 'http:') parsed.protocol = 'ws:';
    else if (parsed.protocol === 'https:') parsed.protocol = 'wss:';
    if (parsed.protocol !== 'ws:' && parsed.protocol !== 'wss:') throw new DOMException(`The URL's scheme must be 'ws' or 'wss', not '${parsed.protocol}'.`, 'SyntaxError');
    if (parsed.hash !== '' || parsed.href.endsWith('#')) throw new DOMException('The URL has a fragment.', 'SyntaxError');
    return parsed;
  };

  const isOurs = ({ host, hostname, port }) => host === location.host || (local.includes(hostname) && port === location.port);

  const subprotocols = (given) => {
    const list = (typeof given === 'string' ? [given] : [...given]).map(String);
    const lower = list.map((name) => name.toLowerCase());
    if (list.some((name) => !token.test(name)) || new Set(lower).size !== list.length) throw new DOMException('The subprotocols are invalid.', 'SyntaxError');
    return list;
  };

  class WebSocket extends EventTarget {
    #url;
    #port;
    #state = CONNECTING;
    #protocol = '';
    #binaryType = 'blob';
    #buffered = 0;
    #handlers = new Map();
    /** What waits behind a blob that is being read. */
    #queue = Promise.resolve();
    #queued = 0;
    #deadline;
    #over = new AbortController();

    constructor(url, protocols = []) {
      const parsed = parse(url);
      if (!isOurs(parsed)) return new Native(url, protocols);
      const list = subprotocols(protocols);
      super();
      this.#url = parsed.href;
      const { port1, port2 } = new MessageChannel();
      this.#port = port1;
      port1.onmessage = ({ data }) => this.#heard(data);
      port1.addEventListener('messageerror', () => this.#lost());
      alive().then((life) => life && port1.postMessage({ kind: 'life', life }));
      this.#deadline = setTimeout(() => this.#lost(), patience);
      open.add(this);
      const target = location.origin + parsed.pathname + parsed.search;
      const send = (worker) => worker.postMessage({ kind: 'tunnel', url: target, protocols: list, port: port2 }, [port2]);
      if (serviceWorker.controller) send(serviceWorker.controller);
      else serviceWorker.ready.then(({ active }) => send(active)).catch(() => this.#lost());
    }

    get url() { return this.#url; }
    get readyState() { return this.#state; }
    get bufferedAmount() { return this.#buffered; }
    get extensions() { return ''; }
    get protocol() { return this.#protocol; }
    get binaryType() { return this.#binaryType; }
    set binaryType(type) { if (type === 'blob' || type === 'arraybuffer') this.#binaryType = type; }

    get onopen() { return this.#handler('open'); }
    set onopen(handler) { this.#handle('open', handler); }
    get onmessage() { return this.#handler('message'); }
    set onmessage(handler) { this.#handle('message', handler); }
    get onerror() { return this.#handler('error'); }
    set onerror(handler) { this.#handle('error', handler); }
    get onclose() { return this.#handler('close'); }
    set onclose(handler) { this.#handle('close', handler); }

    send(data) {
      if (arguments.length === 0) throw new TypeError("Failed to execute 'send' on 'WebSocket': 1 argument required, but only 0 present.");
      if (this.#state === CONNECTING) throw new DOMException('Still in CONNECTING state.', 'InvalidStateError');
      let content;
      let bytes;
      if (data instanceof Blob) {
        content = data;
        bytes = data.size;
      } else if (data instanceof ArrayBuffer || (globalThis.SharedArrayBuffer && data instanceof SharedArrayBuffer)) {
        content = new Uint8Array(data).slice().buffer;
        bytes = content.byteLength;
      } else if (ArrayBuffer.isView(data)) {
        content = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer;
        bytes = content.byteLength;
      } else {
        content = String(data).toWellFormed?.() ?? String(data);
        bytes = new TextEncoder().encode(content).length;
      }
      this.#buffered += bytes;
      if (this.#state !== OPEN) return;
      this.#inOrder(content, (ready) => {
        this.#port.postMessage({ kind: 'message', data: ready }, ready instanceof ArrayBuffer ? [ready] : []);
        // It is under way now; a script that has just sent it still sees it.
        setTimeout(() => { if (this.#state === OPEN) this.#buffered -= bytes; });
      });
    }

    close(code, reason = '') {
      if (code !== undefined) {
        code = Math.trunc(Math.min(Math.max(Number(code) || 0, 0), 65_535));
        if (code !== 1000 && (code < 3000 || code > 4999)) throw new DOMException(`The close code must be 1000, or between 3000 and 4999. ${code} is neither.`, 'InvalidAccessError');
      }
      reason = String(reason);
      if (new TextEncoder().encode(reason).length > 123) throw new DOMException('The close reason must not be greater than 123 UTF-8 bytes.', 'SyntaxError');
      if (this.#state >= CLOSING) return;
      const connecting = this.#state === CONNECTING;
      this.#state = CLOSING;
      this.#inOrder(undefined, () => this.#port.postMessage({ kind: 'close', code, reason }));
      // Where nobody would answer it, and where nobody does, the connection is given up.
      clearTimeout(this.#deadline);
      this.#deadline = setTimeout(() => this.#lost(), connecting ? 0 : farewell);
    }

    /** Acts after what was sent before; at once, unless that waits for a blob. */
    #inOrder(content, act) {
      const isBlob = content instanceof Blob;
      if (this.#queued === 0 && !isBlob) {
        act(content);
        return;
      }
      this.#queued += 1;
      this.#queue = this.#queue
        .then(() => (isBlob ? content.arrayBuffer() : content))
        .then(act)
        .catch(() => this.#lost())
        .finally(() => { this.#queued -= 1; });
    }

    #heard(message) {
      switch (message?.kind) {
        case 'open':
          if (this.#state !== CONNECTING) break;
          clearTimeout(this.#deadline);
          this.#state = OPEN;
          this.#protocol = message.protocol ?? '';
          this.#watch(message.life);
          this.dispatchEvent(new Event('open'));
          break;
        case 'message': {
          if (this.#state !== OPEN) break;
          const isBinary = message.data instanceof ArrayBuffer;
          const data = isBinary && this.#binaryType === 'blob' ? new Blob([message.data]) : message.data;
          this.dispatchEvent(new MessageEvent('message', { data, origin: new URL(this.#url).origin }));
          break;
        }
        case 'close':
          this.#closed(message.code ?? 1005, message.reason ?? '', message.clean === true);
          break;
      }
    }

    /** No port tells of the end of whoever has its other one: the lock that it holds while it lives does. */
    #watch(life) {
      if (!life || !navigator.locks) return;
      navigator.locks.request(life, { mode: 'shared', signal: this.#over.signal }, () => this.#lost()).catch(() => undefined);
    }

    #lost() {
      this.#closed(1006, '', false);
    }

    #closed(code, reason, wasClean) {
      if (this.#state === CLOSED) return;
      this.#state = CLOSED;
      clearTimeout(this.#deadline);
      open.delete(this);
      this.#over.abort();
      this.#port.onmessage = null;
      this.#port.close();
      if (!wasClean) this.dispatchEvent(new Event('error'));
      this.dispatchEvent(new CloseEvent('close', { code, reason, wasClean }));
    }

    #handler(type) {
      return this.#handlers.get(type)?.handler ?? null;
    }

    /** A handler keeps the place among the listeners that it had when there was none. */
    #handle(type, handler) {
      const given = typeof handler === 'function' || (typeof handler === 'object' && handler !== null) ? handler : null;
      const known = this.#handlers.get(type);
      if (known && given) known.handler = given;
      else if (known) {
        this.removeEventListener(type, known.listener);
        this.#handlers.delete(type);
      } else if (given) {
        const entry = { handler: given, listener: (event) => typeof entry.handler === 'function' && entry.handler.call(this, event) };
        this.#handlers.set(type, entry);
        this.addEventListener(type, entry.listener);
      }
    }

    /** The page goes: as a browser's own sockets do. */
    static #leave({ persisted }) {
      for (const socket of [...open]) {
        socket.#port.postMessage({ kind: 'close', code: 1001, reason: '' });
        if (persisted) socket.#lost();
      }
    }

    static {
      addEventListener('pagehide', WebSocket.#leave);
    }

    static [Symbol.hasInstance](value) {
      return value instanceof Native || (typeof value === 'object' && value !== null && #port in value);
    }
  }

  for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
    const constant = { value, enumerable: true };
    Object.defineProperty(WebSocket, name, constant);
    Object.defineProperty(WebSocket.prototype, name, constant);
  }
  Object.defineProperty(WebSocket.prototype, Symbol.toStringTag, { value: 'WebSocket', configurable: true });
  for (const name of ['url', 'readyState', 'bufferedAmount', 'extensions', 'protocol', 'binaryType', 'onopen', 'onmessage', 'onerror', 'onclose', 'send', 'close']) {
    const known = Object.getOwnPropertyDescriptor(WebSocket.prototype, name);
    Object.defineProperty(WebSocket.prototype, name, { ...known, enumerable: true });
  }
  Object.defineProperty(globalThis, 'WebSocket', { value: WebSocket, writable: true, configurable: true });
})();
