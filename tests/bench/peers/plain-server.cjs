// Plain Node: what a function that answers a word costs without a gateway. Prints its port.
const { createServer } = require('node:http');

const server = createServer((request, response) => {
  if (request.url.startsWith('/functions/v1/')) response.writeHead(200, { 'content-type': 'text/plain;charset=UTF-8' }).end('hello');
  else response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>');
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
