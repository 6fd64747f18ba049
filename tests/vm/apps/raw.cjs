// Broken HTTP, by path.
const { createServer } = require('node:net');

const answers = {
  '/garbage': 'this is no HTTP at all\r\n\r\n',
  '/length': 'HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\nhello',
  '/chunk': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n',
  '/nothing': '',
  '/fine': 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfine',
};
createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', (data) => socket.end(answers[data.toString('latin1').split(' ')[1]] ?? answers['/fine']));
}).listen(Number(process.env.PORT));
