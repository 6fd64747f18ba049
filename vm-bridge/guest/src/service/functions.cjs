// The host of edge functions: a thread for each of the worker's connections, which ends with it and which ends it. The thread
// has a connection of its own to the worker, and what it says there passes nobody; here the worker asks for it, and hears whether it
// lives. The frames of both are those of vm-bridge/machine/src/functions/guest/frame.rs. A thread has no environment, and
// what Node has of its own is hidden from a function by the runtime, which the worker brings.
//
// The agent starts it (service/functions.rs), with the socket that it listens on as its standard input, and the one address
// that may call it as its argument.
'use strict'
const crypto = require('node:crypto')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const { Worker } = require('node:worker_threads')

const protocol = 3
const gateway = process.argv[2]
const longest = 16 * 1024 * 1024
const mebibyte = 1024 * 1024
// Three functions that take all they may leave room for the rest of the guest.
const mostMemory = Math.max(32, Math.floor(os.totalmem() / mebibyte / 4))
const young = 16
// What most functions ask for. Threads for the next of them are started in advance, for to start one takes an emulated processor
// many seconds; whoever has something to do has the processor first, and while anybody has, none is started.
const usual = Math.min(256, mostMemory)
const inAdvance = 6
const nicest = 19
// Milliseconds for which the processor is to be idle, and of how much of them.
const calm = 3_000
const idle = 0.6

// Packages that threads in advance have compiled: to compile them takes an emulated processor a second and more, and a function that
// is worked on is started again and again with the same ones.
const mostPackages = 2

// The runtime that was brought last, by its name.
let runtime
let spares = []
// Those of the functions that were started last, the last one first: each with its name, its code, what was compiled of it, and the
// thread that compiles it.
let packages = []

// A thread waits for its runtime, and for a number that nobody else drew: those of a snapshot would all draw the same ones. V8
// takes the seed when Math.random is called for the first time, from a flag of the whole process: one thread at a time.
const turn = new Int32Array(new SharedArrayBuffer(4))
const bootstrap = `
const { readlinkSync } = require('node:fs')
const { parentPort, workerData: { gateway, turn } } = require('node:worker_threads')
const { setFlagsFromString } = require('node:v8')
const { compileFunction } = require('node:vm')
const loaded = (port) => parentPort.postMessage([{ kind: 'loaded', port, thread: Number(readlinkSync('/proc/thread-self').split('/').at(-1)) }])
parentPort.once('message', ({ script, seed, hurried }) => {
  // One that was ended in its turn gives it to nobody.
  while (Atomics.compareExchange(turn, 0, 0, 1) !== 0) if (Atomics.wait(turn, 0, 1, 1000) === 'timed-out') break
  setFlagsFromString('--random-seed=' + seed)
  Math.random()
  Atomics.store(turn, 0, 0)
  Atomics.notify(turn, 0, 1)
  // What it has compiled it keeps for when it is needed.
  setFlagsFromString('--no-flush-bytecode')
  compileFunction(script, ['require', 'gateway', 'loaded', 'hurried'], { filename: 'runtime' })(require, gateway, loaded, hurried)
})
`

// Threads of this process, by their numbers.
const threads = () => fs.readdirSync('/proc/self/task').map(Number)

function thread (memory, nice = 0) {
  // What a thread starts is as nice as itself.
  const before = nice ? threads() : undefined
  if (nice) renice(0, nice)
  const worker = new Worker(bootstrap, {
    eval: true,
    name: 'function',
    env: {},
    argv: [],
    workerData: { gateway, turn },
    // Modules of source text are how a function's imports are in the runtime's hands.
    execArgv: ['--experimental-vm-modules', '--no-warnings'],
    resourceLimits: { maxOldGenerationSizeMb: memory, maxYoungGenerationSizeMb: young, stackSizeMb: 4 },
    stdin: false,
    stdout: true,
    stderr: true,
    trackUnmanagedFds: true
  })
  if (nice) renice(0, 0)
  const started = nice ? threads().filter((number) => !before.includes(number)) : []
  // It writes nothing there that anybody wants; unread, it would wait.
  worker.stdout.resume()
  worker.stderr.resume()
  return { worker, started, runtime: undefined, loaded: undefined, packages: [], compiles: 0 }
}

function renice (number, nice) {
  try {
    os.setPriority(number, nice)
  } catch (error) {
    // It may have ended; else there is none to be had, and it is as nice as before.
    if (error.info?.code !== 'ESRCH') console.error(error)
  }
}

// Whoever is waited for does not rehearse for long.
function bring (made, { name, script }, hurried) {
  made.runtime = name
  made.worker.postMessage({ script, seed: crypto.randomInt(1, 0x7fffffff), hurried })
}

// Whoever waits until all of them are there.
let waiting = []

// One after the other: the first is of use the sooner.
function prepare () {
  if (spares.length >= inAdvance || spares.some((spare) => !spare.loaded && spare.runtime)) return
  const made = thread(usual, nicest)
  const forget = () => {
    spares = spares.filter((spare) => spare !== made)
    left(made)
    inCalm()
  }
  made.worker.once('error', forget).once('exit', forget)
  made.worker.on('message', ([message]) => {
    if (message.kind !== 'loaded') return aside(made, message)
    made.loaded = message
    hand(made)
    told()
    inCalm()
  })
  spares.push(made)
  if (runtime) bring(made, runtime, false)
}

// A thread that has its runtime has the packages compiled before it is anybody's. One of them compiles, the others take what came of it.
function hand (spare) {
  const added = packages.filter(({ name, compiled, by }) => !spare.packages.includes(name) && (compiled || !by))
  if (added.length === 0) return
  for (const one of added) {
    if (one.compiled) continue
    one.by = spare
    spare.compiles++
  }
  spare.packages = packages.filter((one) => added.includes(one) || spare.packages.includes(one.name)).map(({ name }) => name)
  spare.worker.postMessage([{ kind: 'packages', names: spare.packages, added: added.map(({ name, code, compiled }) => ({ name, code, compiled })) }])
}

function handAll () {
  for (const spare of spares) if (spare.loaded) hand(spare)
}

// What a thread says that is not its function's.
function aside (made, message) {
  switch (message.kind) {
    case 'packages':
      keep(message.code)
      return
    case 'compiled':
      made.compiles--
      for (const one of packages) if (one.name === message.name && one.by === made) one.compiled = message.compiled
      handAll()
      told()
      return
    case 'complaint':
      console.error(message.text)
  }
}

// Whatever a thread was to compile, another one may.
function left (made) {
  for (const one of packages) if (one.by === made && !one.compiled) one.by = undefined
  handAll()
}

// A function's code may be anybody's: what packages are called is what they are.
function keep (code) {
  const name = crypto.createHash('sha256').update(code).digest('base64')
  const known = packages.find((one) => one.name === name) ?? { name, code, compiled: undefined, by: undefined }
  packages = [known, ...packages.filter((one) => one !== known)].slice(0, mostPackages)
  handAll()
}

function told () {
  if (spares.length < inAdvance || !spares.every((spare) => spare.loaded) || !packages.every((one) => one.compiled)) return
  for (const tell of waiting) tell()
  waiting = []
}

// Seconds since the start, and how many of them the processors were idle.
const uptime = () => fs.readFileSync('/proc/uptime', 'utf8').split(' ').map(Number)

let watch

// Starts the next one when there is nothing else to do: on one processor whoever is answered meanwhile waits for it.
function inCalm () {
  clearTimeout(watch)
  if (waiting.length > 0) return prepare()
  if (spares.length >= inAdvance) return
  const [then, idleThen] = uptime()
  watch = setTimeout(() => {
    const [now, idleNow] = uptime()
    if (idleNow - idleThen < idle * (now - then) * os.cpus().length) inCalm()
    else prepare()
  }, calm).unref()
}

function taken (memory) {
  const fits = (spare) => spare.runtime === undefined || spare.runtime === runtime.name
  const free = spares.findIndex((spare) => fits(spare) && spare.compiles === 0)
  const at = memory !== usual ? -1 : free < 0 ? spares.findIndex(fits) : free
  const [made] = at < 0 ? [thread(memory)] : spares.splice(at, 1)
  for (const number of made.started) renice(number, 0)
  // Each by its name: what is told of new listeners is Node's own.
  for (const name of ['message', 'error', 'exit']) made.worker.removeAllListeners(name)
  if (made.runtime === undefined) bring(made, runtime, true)
  inCalm()
  return made
}

// Spares that have another runtime, or none, are for nobody.
function renew (next) {
  runtime = next
  for (const spare of spares) {
    if (spare.runtime === undefined) bring(spare, next, false)
    else spare.worker.terminate()
  }
  spares = spares.filter((spare) => spare.runtime === next.name)
  inCalm()
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
    this.made = undefined
    this.memory = usual
    this.mostComputed = Infinity
    this.isReady = false
    this.isOver = false
    this.isAsked = false
    // Whether a thread is wanted, and which runtime it is to have.
    this.isWanted = false
    this.runtime = undefined
    // Its thread; and milliseconds that this had computed when it became a function, and when it answered last.
    this.number = undefined
    this.begun = 0
    this.answered = 0
  }

  hear (head, bytes) {
    switch (head.kind) {
      case 'hello':
        this.memory = Math.min(Number(head.memory) || usual, mostMemory)
        this.mostComputed = Number(head.cpu) || Infinity
        this.runtime = String(head.runtime)
        this.tell({ kind: 'hello', protocol, has: this.has() })
        return
      case 'runtime':
        renew({ name: this.runtime, script: bytes.toString('utf8') })
        if (this.isWanted) this.begin()
        return
      // Of whoever makes a snapshot: nothing else is to come.
      case 'prepare':
        waiting.push(() => this.tell({ kind: 'prepared' }))
        told()
        inCalm()
        return
      case 'begin':
        this.isWanted = true
        if (this.has()) this.begin()
        return
      case 'ping':
        this.ping()
    }
  }

  has () {
    return runtime !== undefined && runtime.name === this.runtime
  }

  begin () {
    if (this.worker) return
    const made = taken(this.memory)
    const { worker, loaded } = made
    this.worker = worker
    this.made = made
    if (loaded) this.said(loaded)
    worker.on('message', (messages) => messages.forEach((message) => this.said(message)))
    worker.on('error', (error) => {
      this.end(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? { reason: 'memory', text: error.message } : { text: error.message })
    })
    worker.on('exit', (code) => this.end({ text: 'The isolate ended with code ' + code }))
  }

  // A thread that computes does not answer. As long as it may, it is answered for: the guest may be busy with something else.
  ping () {
    if (this.isOver || !this.worker) return
    if (!this.isAsked) {
      this.isAsked = true
      this.worker.postMessage([{ kind: 'ping' }])
    } else if (this.isReady && computed(this.number) - this.answered > this.mostComputed) {
      this.end({ reason: 'cpu', text: '' })
    } else {
      this.tell({ kind: 'pong' })
    }
  }

  said (message) {
    switch (message.kind) {
      case 'loaded':
        this.number = message.thread
        this.begun = this.answered = computed(this.number)
        this.tell({ kind: 'thread', port: message.port, packages: this.made.packages })
        return
      case 'packages':
      case 'compiled':
      case 'complaint':
        aside(this.made, message)
        return
      case 'ready':
        this.isReady = true
        return
      case 'gone':
        this.end(message)
        return
      case 'pong':
        this.isAsked = false
        this.answered = computed(this.number)
        // The thread itself knows only for how long it was not idle.
        message.count = this.answered - this.begun
    }
    this.tell(message)
    if (message.kind === 'memory' && message.count > this.memory * mebibyte) this.end({ reason: 'memory', text: '' })
  }

  tell (head) {
    if (this.isOver || this.socket.destroyed) return
    const text = Buffer.from(JSON.stringify(head))
    const lengths = Buffer.alloc(8)
    lengths.writeUInt32LE(4 + text.length, 0)
    lengths.writeUInt32LE(text.length, 4)
    this.socket.write(Buffer.concat([lengths, text]))
  }

  end (why) {
    if (this.isOver) return
    if (why) this.tell({ kind: 'gone', reason: why.reason, text: why.text })
    this.isOver = true
    if (this.worker) {
      this.worker.removeAllListeners()
      // Whatever it still comes to is nobody's. It is not made nice for that: Node's main thread waits for its end.
      this.worker.on('error', () => {})
      this.worker.terminate()
      left(this.made)
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
  let come = Buffer.alloc(0)
  socket.on('data', (piece) => {
    // A runtime is the longest that comes.
    come = come.length > 0 ? Buffer.concat([come, piece]) : piece
    while (come.length >= 8) {
      const whole = 4 + come.readUInt32LE(0)
      const text = 8 + come.readUInt32LE(4)
      if (whole > longest || text > whole) {
        socket.destroy()
        return
      }
      if (come.length < whole) return
      const frame = come.subarray(0, whole)
      come = come.subarray(whole)
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
  inCalm()
})
