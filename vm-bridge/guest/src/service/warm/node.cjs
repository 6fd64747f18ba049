// A Node that has started already: it loads what servers load, answers itself once, says "ready", and
// waits. What it is told then it becomes: another user, another environment, another program.
// The agent starts it (service/warm), and changes its root before it tells it anything.
'use strict'
const fs = require('node:fs')
const http = require('node:http')
const Module = require('node:module')
const v8 = require('node:v8')

for (const name of ['assert', 'async_hooks', 'buffer', 'child_process', 'crypto', 'dns', 'events', 'fs/promises', 'https',
  'net', 'os', 'path', 'querystring', 'readline', 'stream', 'stream/promises', 'stream/web', 'string_decoder', 'timers/promises',
  'tls', 'tty', 'url', 'util', 'worker_threads', 'zlib']) {
  require('node:' + name)
}

function become () {
  // One list: user, a number nobody else drew, how many arguments, these, and NAME=value each.
  const words = fs.readFileSync('/run/go', 'utf8').split('\0')
  const uid = Number(words[0])
  const seed = Number(words[1])
  const count = Number(words[2])
  const command = words.slice(3, 3 + count)
  for (const name of Object.keys(process.env)) delete process.env[name]
  for (const word of words.slice(3 + count)) {
    const equals = word.indexOf('=')
    process.env[word.slice(0, equals)] = word.slice(equals + 1)
  }
  process.umask(0o022)
  process.setgroups([])
  process.setgid(uid)
  process.setuid(uid)
  process.chdir('/app')
  // Every machine of one snapshot has this process: its random numbers must not be the same. V8 takes the seed when
  // Math.random is called for the first time, so nothing above may call it.
  v8.setFlagsFromString('--random-seed=' + (seed & 0x7fffffff))
  process.argv = [process.execPath, ...command]
  process.title = ['node', ...command].join(' ')
  Module.runMain(command[0])
}

const server = http.createServer((request, response) => {
  request.resume()
  response.setHeader('content-type', 'application/json')
  response.end('{"warm":true}')
})

async function warmUp () {
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const response = await fetch('http://127.0.0.1:' + server.address().port, { method: 'POST', body: '{}' })
  await response.json()
  const closed = new Promise(resolve => server.close(resolve))
  server.closeAllConnections()
  await closed
}

warmUp().catch(() => {}).then(() => setImmediate(() => {
  fs.writeSync(1, 'ready\n')
  become()
}))
