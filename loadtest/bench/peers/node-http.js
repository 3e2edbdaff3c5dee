// node-http.js – Node's own HTTP server, without a framework.
'use strict'
const { text, type, port } = require('./answer')

const head = { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text), 'Cache-Control': 'no-store' }

require('node:http')
  .createServer((request, response) => {
    const known = request.url === '/fast' || request.url.startsWith('/fast?')
    response.writeHead(known ? 200 : 404, head)
    response.end(text)
  })
  .listen(port, '127.0.0.1', 4096)
