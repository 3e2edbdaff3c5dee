// fastify.js – /fast as the Fastify tutorial writes it.
'use strict'
const app = require('fastify')()
const { text, type, port } = require('./answer')

app.get('/fast', (request, reply) => {
  reply.header('Cache-Control', 'no-store').type(type).send(text)
})
app.listen({ port, host: '127.0.0.1', backlog: 4096 })
