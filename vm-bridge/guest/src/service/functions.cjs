// The host of edge functions: a thread for each of the worker's connections, which ends with it and which ends it. What the
// worker says is handed to the thread, and what that says to the worker; the frames are those of
// vm-bridge/machine/src/functions/guest/frame.rs. A thread has no environment, no socket, and what Node has of its own is hidden
// from a function by the runtime, which the worker brings.
//
// The agent starts it (service/functions.rs), with the socket that it listens on as its standard input, and the one address
// that may call it as its argument.
'use strict'
const crypto = require('node:crypto')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const { Worker } = require('node:worker_threads')

const protocol = 1
const gateway = process.argv[2]
const longest = 256 * 1024 * 1024
const mebibyte = 1024 * 1024
// Three functions that take all they may leave room for the rest of the guest.
const mostMemory = Math.max(32, Math.floor(os.totalmem() / mebibyte / 4))
const young = 16
// What most functions ask for. Threads for the next of them are started in advance, for to start one takes an emulated processor
// seconds; whoever has something to do has the processor first.
const usual = Math.min(256, mostMemory)
const inAdvance = 3
const nicest = 19

// The runtime that was brought last, by its name.
let runtime
let spares = []

// A thread waits for its runtime, and for a number that nobody else drew: those of a snapshot would all draw the same ones. V8
// takes the seed when Math.random is called for the first time.
const bootstrap = `
const { readlinkSync } = require('node:fs')
const { parentPort } = require('node:worker_threads')
const { setFlagsFromString } = require('node:v8')
const { compileFunction } = require('node:vm')
parentPort.once('message', ({ script, seed }) => {
  setFlagsFromString('--random-seed=' + seed)
  Math.random()
  compileFunction(script, ['require'], { filename: 'runtime' })(require)
  parentPort.postMessage([{ kind: 'loaded', thread: readlinkSync('/proc/thread-self').split('/').at(-1) }])
})
`

// Threads of this process, by their numbers.
const threads = () => fs.readdirSync('/proc/self/task')

function thread (memory, nice = 0) {
  const before = new Set(threads())
  // What a thread starts is as nice as itself.
  if (nice) renice(0, nice)
  const worker = new Worker(bootstrap, {
    eval: true,
    name: 'function',
    env: {},
    argv: [],
    // Modules of source text are how a function's imports are in the runtime's hands.
    execArgv: ['--experimental-vm-modules', '--no-warnings'],
    resourceLimits: { maxOldGenerationSizeMb: memory, maxYoungGenerationSizeMb: young, stackSizeMb: 4 },
    stdin: false,
    stdout: true,
    stderr: true,
    trackUnmanagedFds: true
  })
  if (nice) renice(0, 0)
  // It writes nothing there that anybody wants; unread, it would wait.
  worker.stdout.resume()
  worker.stderr.resume()
  const started = threads().filter((number) => !before.has(number)).map(Number)
  return { worker, started: nice ? started : [], runtime: undefined, number: undefined }
}

function renice (number, nice) {
  try {
    os.setPriority(number, nice)
  } catch (error) {
    // It is gone, or there is none to be had: then it is as nice as before.
    console.error(error)
  }
}

function bring (made, { name, script }) {
  made.runtime = name
  made.worker.postMessage({ script, seed: crypto.randomInt(1, 0x7fffffff) })
}

// Whoever waits until there is a spare thread that has the runtime.
let waiting = []

// One after the other: the first is of use the sooner.
function prepare () {
  if (spares.length >= inAdvance || spares.some((spare) => spare.number === undefined && spare.runtime)) return
  const made = thread(usual, nicest)
  const forget = () => { spares = spares.filter((spare) => spare !== made) }
  made.worker.once('error', forget).once('exit', forget)
  made.worker.once('message', ([{ thread: number }]) => {
    made.number = number
    told()
    prepare()
  })
  spares.push(made)
  if (runtime) bring(made, runtime)
}

function told () {
  if (spares.length < inAdvance || !spares.every((spare) => spare.number !== undefined)) return
  for (const tell of waiting) tell()
  waiting = []
}

function taken (memory) {
  const at = memory === usual ? spares.findIndex((spare) => spare.runtime === undefined || spare.runtime === runtime.name) : -1
  const [made] = at < 0 ? [thread(memory)] : spares.splice(at, 1)
  for (const number of made.started) renice(number, 0)
  // Each by its name: what is told of new listeners is Node's own.
  for (const name of ['message', 'error', 'exit']) made.worker.removeAllListeners(name)
  if (made.runtime === undefined) bring(made, runtime)
  setImmediate(prepare)
  return made
}

// Spares that have another runtime, or none, are for nobody.
function renew (next) {
  runtime = next
  for (const spare of spares) {
    if (spare.runtime === undefined) bring(spare, next)
    else spare.worker.terminate()
  }
  spares = spares.filter((spare) => spare.runtime === next.name)
  prepare()
}

// Milliseconds that a thread of this process has computed, by the kernel's count: fields 14 and 15 of its line are hundredths of
// a second, and the second one, its name, may have spaces in it.
function computed (number) {
  try {
    const line = fs.readFileSync('/proc/self/task/' + number + '/stat', 'utf8')
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    // It has ended, which is told by itself.
    return NaN
  }
}

class Isolate {
  constructor (socket) {
    this.socket = socket
    this.worker = undefined
    this.memory = usual
    this.mostComputed = Infinity
    this.isReady = false
    this.isOver = false
    this.isAsked = false
    this.messages = []
    this.transfer = []
    // Its thread; and milliseconds that this had computed when it became a function, and when it answered last.
    this.number = undefined
    this.begun = 0
    this.answered = 0
  }

  hear (head, bytes) {
    switch (head.kind) {
      case 'hello': {
        this.memory = Math.min(Number(head.memory) || usual, mostMemory)
        this.mostComputed = Number(head.cpu) || Infinity
        const has = runtime !== undefined && runtime.name === head.runtime
        this.wanted = String(head.runtime)
        this.tell({ kind: 'hello', protocol, has })
        return
      }
      case 'runtime':
        renew({ name: this.wanted, script: bytes.toString('utf8') })
        return
      // Of whoever makes a snapshot: nothing else is to come.
      case 'prepare':
        waiting.push(() => this.tell({ kind: 'prepared' }))
        told()
        return
      case 'boot': {
        let at = head.code
        const code = bytes.toString('utf8', 0, at)
        this.begin()
        const files = head.files.map(([name, length]) => [name, Uint8Array.from(bytes.subarray(at, at += length))])
        this.post({ kind: 'boot', code, files, env: head.env })
        return
      }
      case 'chunk':
      case 'binary': {
        const own = Uint8Array.from(bytes)
        this.post({ ...head, bytes: own }, [own.buffer])
        return
      }
      case 'ping':
        this.ping()
        return
      default:
        this.post(head)
    }
  }

  begin () {
    if (this.worker) return
    const { worker, number } = taken(this.memory)
    this.worker = worker
    if (number !== undefined) this.is(number)
    worker.on('message', (messages) => messages.forEach((message) => this.said(message)))
    worker.on('error', (error) => {
      this.end(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? { reason: 'memory', text: error.message } : { text: error.message })
    })
    worker.on('exit', (code) => this.end({ text: 'The isolate ended with code ' + code }))
  }

  is (number) {
    this.number = number
    this.begun = this.answered = computed(number)
  }

  post (message, transfer) {
    if (!this.worker || this.isOver) return
    if (this.messages.length === 0) queueMicrotask(() => this.flush())
    this.messages.push(message)
    if (transfer) this.transfer.push(...transfer)
  }

  // What came together goes on together: each message that is posted wakes a thread.
  flush () {
    const { messages, transfer } = this
    this.messages = []
    this.transfer = []
    if (!this.isOver) this.worker.postMessage(messages, transfer)
  }

  // A thread that computes does not answer. As long as it may, it is answered for: the guest may be busy with something else.
  ping () {
    if (this.isOver) return
    if (!this.isAsked) {
      this.isAsked = true
      this.post({ kind: 'ping' })
    } else if (this.isReady && computed(this.number) - this.answered > this.mostComputed) {
      this.end({ reason: 'cpu', text: '' })
    } else {
      this.tell({ kind: 'pong' })
    }
  }

  said (message) {
    const { kind, bytes } = message
    if (kind === 'loaded') {
      this.is(message.thread)
      return
    }
    if (kind === 'pong') {
      this.isAsked = false
      this.answered = computed(this.number)
      // The thread itself knows only for how long it was not idle.
      message.count = this.answered - this.begun
    } else if (kind === 'ready') {
      this.isReady = true
    } else if (kind === 'gone') {
      this.end(message)
      return
    }
    if (bytes) {
      delete message.bytes
      this.tell(message, bytes)
    } else {
      this.tell(message)
    }
    if (kind === 'memory' && message.count > this.memory * mebibyte) this.end({ reason: 'memory', text: '' })
  }

  tell (head, bytes) {
    if (this.isOver || this.socket.destroyed) return
    if (!this.socket.writableCorked) {
      this.socket.cork()
      // What is said at once goes at once.
      setImmediate(() => this.socket.uncork())
    }
    const text = Buffer.from(JSON.stringify(head))
    const frame = Buffer.allocUnsafe(8 + text.length)
    frame.writeUInt32LE(4 + text.length + (bytes ? bytes.length : 0), 0)
    frame.writeUInt32LE(text.length, 4)
    text.copy(frame, 8)
    this.socket.write(frame)
    if (bytes && bytes.length > 0) this.socket.write(bytes)
  }

  end (why) {
    if (this.isOver) return
    if (why) this.tell({ kind: 'gone', reason: why.reason, text: why.text })
    this.isOver = true
    if (this.worker) {
      this.worker.removeAllListeners()
      // Whatever it still comes to is nobody's.
      this.worker.on('error', () => {})
      this.worker.terminate()
    }
    this.socket.end()
  }
}

function serve (socket) {
  if (socket.remoteAddress !== gateway) {
    socket.destroy()
    return
  }
  const isolate = new Isolate(socket)
  let parts = []
  let length = 0
  socket.on('data', (piece) => {
    parts.push(piece)
    length += piece.length
    for (;;) {
      if (length < 8) return
      if (parts[0].length < 8) parts = [Buffer.concat(parts)]
      const whole = 4 + parts[0].readUInt32LE(0)
      if (whole > longest || parts[0].readUInt32LE(4) > whole - 8) {
        socket.destroy()
        return
      }
      if (length < whole) return
      const all = parts.length === 1 ? parts[0] : Buffer.concat(parts)
      const text = 8 + all.readUInt32LE(4)
      const [frame, rest] = [all.subarray(0, whole), all.subarray(whole)]
      parts = rest.length > 0 ? [rest] : []
      length = rest.length
      try {
        isolate.hear(JSON.parse(frame.toString('utf8', 8, text)), frame.subarray(text))
      } catch (error) {
        // Its worker says nothing of the kind.
        console.error(error)
        socket.destroy()
        return
      }
    }
  })
  socket.on('error', () => isolate.end())
  socket.on('close', () => isolate.end())
}

process.on('uncaughtException', (error) => console.error(error))

const server = net.createServer({ noDelay: true }, serve)
server.listen({ fd: 0 }, () => {
  fs.writeSync(1, 'ready\n')
  prepare()
})
